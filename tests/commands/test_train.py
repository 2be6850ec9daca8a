"""The command line of recipes/train.py: its help, its config files, and its answers to mistakes."""

import dataclasses
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hpnets.commands import training_run
from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions, WandbOptions
from hpnets.training.errors import FolderTaken
from tests.in_process import ROOT, run_script

RECIPE = ROOT / "recipes" / "train.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; the handler of SIGTERM and random states are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPNETS_OUT", "unused")
    handler, state = signal.getsignal(signal.SIGTERM), (random.getstate(), torch.get_rng_state())
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)
    random.setstate(state[0])
    torch.set_rng_state(state[1])


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run recipes/train.py with some flags: exit status, stdout, stderr."""

    def run_with(*flags: str) -> tuple[int, str, str]:
        return run_script("train", *flags), *capsys.readouterr()

    return run_with


@pytest.fixture
def options(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunOptions]:
    """The RunOptions that some flags stand for, with nothing run."""

    def options_of(*flags: str) -> RunOptions:
        seen: list[RunOptions] = []
        monkeypatch.setattr(training_run, "run", lambda options, folder, **_: seen.append(options))
        status, _, error = run(*flags)
        assert status == 0, error
        return seen[0]

    return options_of


def test_help_of_a_model_and_a_task(run: Run) -> None:
    for flags, there, absent in [
        (("--model", "ccp"), "--model.degree", "--model.size"),
        (("--model=resnet18", "--task", "mnist"), "--model.norm", "--model.degree"),
        (("--task", "line"), "--task.target", "--task.root"),
    ]:
        status, text, _ = run(*flags, "--help")
        assert status == 0
        assert there in text
        assert absent not in text
        assert "model.name" not in text
        assert "wandb.mode" not in text
    words = " ".join(run("--model", "mlp", "--task", "line", "--help")[1].split())
    assert "--model.bias {true,false} have biases, 0 at the start; allowed: true or false (type: bool" in words
    assert "--task.input_dim INPUT_DIM dimension of x (type: int, default: 1)" in words


def test_help_of_a_model_says_what_each_option_is_and_allows(run: Run) -> None:
    text = " ".join(run("--model", "ccp", "--task", "line", "--help")[1].split())
    assert "--model.activation ACTIVATION activation s; none for a polynomial; allowed: " in text
    assert "relu6, sigmoid, silu, tanh (type: str, default: none)" in text
    assert "--task.noise NOISE standard deviation of Gaussian noise on the training y (type" in text


def test_general_help_names_all_groups(run: Run) -> None:
    text = run("--help")[1]
    for flag in (
        "--model NAME",
        "--task NAME",
        "--optim.lr",
        "--ntk.every",
        "--trainer.devices",
        "--resume",
        "--out",
        "--wandb MODE",
    ):
        assert flag in text


def test_lists(run: Run) -> None:
    """Each model and task on a line of its own, with what it is."""
    from hpnets import list_models, list_tasks

    for flag, names in (("--list_models", list_models()), ("--list_tasks", list_tasks())):
        status, text, _ = run(flag)
        lines = text.splitlines()
        assert status == 0
        assert [line.split()[0] for line in lines] == names
        assert all(20 < len(line) <= 120 and "  " in line for line in lines)
    assert "ccp               Polynomial of degree N in x by one Hadamard product a layer\n" in run("--list_models")[1]


FLAGS = "--model ncp --model.skip true --model.degree 3 --task=line --task.target cubic --task.train_range [-1,1]"
FLAGS += " --optim.name sgd --optim.lr 0.1 --ntk.every 5 --ntk.outputs 0"
FLAGS += " --ntk.metrics [drift] --trainer.max_epochs 3 --wandb off --wandb.tags [a,b] --wandb.project p --seed 4"
MEANT = RunOptions(
    model={
        **{"name": "ncp", "degree": 3, "width": 256, "activation": "none", "norm": "none", "skip": True},
        **{"shared": False, "product": "hadamard", "parametrisation": "standard", "base_width": 256, "init": "own"},
    },
    optim=OptimOptions("sgd", 0.1),
    ntk=NTKOptions(every=5, outputs=0, metrics=["drift"]),
    trainer=TrainerOptions(max_epochs=3),
    wandb=WandbOptions("off", "p", tags=["a", "b"]),
    seed=4,
)


def test_flags_become_options(options: Callable[..., RunOptions]) -> None:
    got = options(*FLAGS.split())
    assert (got.model, got.optim, got.ntk, got.trainer, got.wandb, got.seed) == (
        *(MEANT.model, MEANT.optim, MEANT.ntk, MEANT.trainer),
        *(MEANT.wandb, MEANT.seed),
    )
    assert got.task["name"] == "line"
    assert list(got.task["train_range"]) == [-1, 1]


def test_a_list_is_read_as_yaml(options: Callable[..., RunOptions]) -> None:
    assert options("--model", "resnet18", "--model.blocks", "[1,2]").model["blocks"] == [1, 2]
    assert options("--model", "resnet18").model["blocks"] is None


def test_the_default_is_ccp_on_digits(options: Callable[..., RunOptions]) -> None:
    got = options()
    assert (got.model["name"], got.model["degree"], got.task["name"]) == ("ccp", 4, "digits")
    assert (got.optim, got.ntk, got.trainer) == (OptimOptions(), NTKOptions(), TrainerOptions())
    assert options("--model", "mlp").model["name"] == "mlp"


def test_a_printed_config_can_be_fed_back(run: Run, options: Callable[..., RunOptions], tmp_path: Path) -> None:
    _, text, _ = run(*FLAGS.split(), "--print_config")
    (tmp_path / "f.yaml").write_text(text)
    assert run("--config", "f.yaml", "--print_config")[:2] == (0, text)
    assert options("--config=f.yaml") == options(*FLAGS.split())
    assert options("--config", "f.yaml", "--model.degree", "7").model["degree"] == 7


def test_the_config_of_a_run_folder_can_be_fed_back(options: Callable[..., RunOptions], tmp_path: Path) -> None:
    meant = options("--model", "mlp", "--model.bias", "false", "--ntk.every", "log", "--seed", "3")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(meant.to_dict()))
    assert options("--config", "config.yaml") == meant
    (tmp_path / "old.yaml").write_text("model:\n  name: mlp\nwandb: offline  # as earlier versions wrote it\n")
    assert options("--config", "old.yaml", "--wandb.group", "g").wandb == WandbOptions("offline", group="g")


def test_resume_takes_what_may_change_from_flags(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RunOptions] = []
    monkeypatch.setattr(training_run, "run", lambda options, folder, **_: seen.append(options))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.yaml").write_text(yaml.safe_dump({**MEANT.to_dict(), "task": {"name": "mnist"}}))
    flags = "--trainer.max_epochs=40 --task.download --task.root 7 --resume old --trainer.max_time 2h"
    flags += " --wandb off --wandb.group g"
    assert run(*flags.split())[0] == 0
    assert (seen[0].trainer.max_epochs, seen[0].trainer.max_time, seen[0].wandb) == (
        *(40, "2h", dataclasses.replace(MEANT.wandb, mode="off", group="g")),
    )
    assert (seen[0].task["download"], seen[0].task["root"]) == (True, "7")
    assert (seen[0].model, seen[0].optim) == (MEANT.model, MEANT.optim)
    for flag, message in (
        ("--trainer.max_epochs 0", r"trainer.max_epochs is 0; allowed: an integer >= 1"),
        ("--trainer.max_epochs", r"trainer.max_epochs is True; allowed: an integer"),
        ("--wandb of", r"wandb.mode is 'of'; allowed: 'online'"),
    ):
        status, _, error = run("--resume", "old", *flag.split())
        assert status == 2
        assert re.search(message, error), error


def test_resume_takes_its_options_from_the_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(training_run, "run", lambda *args, **named: seen.append((*args, *named.values())))
    for name in ("old", "a=b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(MEANT.to_dict()))
        assert run("--resume", name)[0] == run(f"--resume={name}")[0] == 0
        assert seen[-2:] == [(MEANT, Path(name), True)] * 2


CONFIGS = {
    "broken.yaml": "model: [1\n",
    "list.yaml": "- 1\n",
    "scalar.yaml": "model: mlp\n",
    "off.yaml": "ntk: off\n",
    "model.yaml": "model:\n  name: cccp\n",
    "option.yaml": "model:\n  name: ccp\n  degre: 3\n",
    "key.yaml": "sede: 1\n",
    "value.yaml": "optim:\n  lr: hello\n",
    "empty.yaml": "",
    "circle.yaml": "model: &a\n  name: ccp\n  degree: *a\n",
    "deep.yaml": "[" * 1500,
    "null.yaml": "ntk:\n  probe: null\n",
    "model_null.yaml": "model:\n  name: ncp\n  skip: null\n",
    "wandb.yaml": "wandb: off\n",
}
GPU = pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is one")
MISTAKES = [
    ("--model cpp", "unknown model 'cpp'; did you mean .*ccp"),
    ("--model", "--model.name: expected one argument"),
    ("--model=", "unknown model ''; allowed: .*ccp, "),
    ("--task digit", r"unknown task 'digit'; did you mean digits"),
    ("--model.degre 3", r"--model\.degre 3; did you mean --model\.degree"),
    ("--mod ccp", "--mod ccp; did you mean --model"),
    ("--list_model", "--list_model; did you mean --list_models"),
    ("--foo 3", "unrecognized arguments: --foo 3"),
    ("extra", "unrecognized arguments: extra"),
    ("--model.degree 3.5", "--model.degree is '3.5'; allowed: an integer"),
    ("--model.degree=", "--model.degree is ''; allowed: an integer"),
    ("--model.degree", "--model.degree: expected one argument"),
    ("--model.degree 0", "degree is 0; allowed: an integer >= 1"),
    ("--model.activation rleu", "activation is 'rleu'; did you mean relu"),
    ("--model ncp --model.skip maybe", "--model.skip is 'maybe'; allowed: true or false"),
    ("--model resnet18 --task line", r"input_shape is \(1,\); allowed: images"),
    ("--model style_generator --task line", "task 'line' has no pictures to generate; allowed: tasks of square pict"),
    ("--model mlp --task generate", "unknown task 'generate'"),
    ("--gan.latent 3", "gan is .*; allowed for 'ccp', no generator: no change"),
    ("--model style_generator --gan.ema 1", "gan.ema is 1.0; allowed: >= 0 and < 1"),
    (
        "--dynamics linearised",
        "dynamics is 'linearised'; allowed: network, without init_from: the kernel",
    ),
    ("--adversarial.eps -1", r"adversarial\.eps is -1.0; allowed: a finite number >= 0"),
    ("--adversarial.eps 1.5", r"adversarial\.eps is 1.5; allowed: 0 to 1"),
    ("--adversarial.eps 9 --adversarial.norm l2", r"eps is 9.0; allowed: 0 to 8, the diameter of the data's box in l2"),
    ("--adversarial.mix both", r"adversarial\.mix is 'both'; allowed: 'adversarial' without adversarial\.eps"),
    ("--adversarial.eps 0.1 --adversarial.mix all", r"--adversarial\.mix is 'all'; allowed: adversarial, both, clean"),
    ("--task line --adversarial.eps 0.1", r"adversarial\.eps is 0.1; allowed for task 'line', which has no classes"),
    (
        "--model style_generator --adversarial.eps 0.1",
        r"adversarial\.eps is 0.1; allowed for task '.*, which has no cla",
    ),
    ("--dynamics lazy", "--dynamics is 'lazy'; allowed: centred, linearised, network"),
    *[
        (f"--dynamics centred --init_from ccp-digits {flags}", message)
        for flags, message in (
            (
                "--optim.name adamw --optim.weight_decay 0.1",
                "weight_decay is 0.1; allowed with dynamics 'centred': 0",
            ),
            ("--trainer.compile true", "trainer.compile is True; allowed with dynamics 'centred': False"),
            (
                "--trainer.precision bf16-mixed",
                "precision is 'bf16-mixed'; allowed with dynamics 'centred': 32",
            ),
            (
                "--model style_generator",
                "name is 'style_generator'; allowed with dynamics 'centred': net",
            ),
            ("--model mlp", "init_from is 'ccp-digits', whose weights fit nothing in the network"),
        )
    ],
    ("--optim.name adma", r"optim\.name is 'adma'; did you mean adam"),
    ("--optim.schedule cosin", r"optim\.schedule is 'cosin'; did you mean cosine\?"),
    ("--optim.warmup 360", r"optim\.warmup is 360.0; allowed: fewer steps than the 360 of the run"),
    ("--optim.clip -1", r"optim\.clip is -1.0; allowed: a finite number >= 0"),
    ("--optim.betas [0.9,1]", r"optim\.betas is \[0.9, 1.0\]; allowed: two numbers >= 0 and < 1"),
    ("--optim.nesterov true --optim.momentum 0", r"optim\.nesterov is True; allowed: false with momentum 0"),
    ("--optim.ema 1", r"optim\.ema is 1.0; allowed: >= 0 and < 1"),
    ("--task line --optim.mixup 0.2", r"optim\.mixup is 0.2; allowed for task 'line', which has no classes: 0"),
    ("--optim.mixup 0.2 --task.batch_size 1", r"task\.batch_size is 1; allowed with optim\.mixup: >= 2"),
    ("--task.augment flop", r"augment is 'flop'; did you mean crop"),
    ("--task line --task.augment crop", r"--task\.augment crop"),
    ("--model style_generator --optim.clip 1", r"optim\.clip is 1.0; allowed for models that generate pictures: 0"),
    ("--optim.lr -1", r"optim\.lr is -1.0; allowed: a finite number > 0"),
    ("--optim.lr inf", r"optim\.lr"),
    ("--ntk.probe 1198", r"ntk\.probe is 1198; allowed: at most 1197, the training samples"),
    ("--ntk.probe 0", r"ntk\.probe is 0; allowed: an integer >= 1"),
    ("--ntk.every 0", r"ntk\.every is 0; allowed: an integer >= 1, 'epoch'"),
    ("--ntk.every never", r"--ntk\.every is 'never'; allowed: an integer, 'epoch', 'log', 'off'"),
    ("--ntk.outputs 10", "outputs .*10; allowed: logits 0 to 9"),
    ("--ntk.metrics [drift,foo]", "metrics .*'foo'; allowed: drift"),
    ("--ntk.blocks V", "blocks is 'V', which matches no parameter; allowed: patterns of U.0"),
    ("--curvature.every never", r"--curvature\.every is 'never'; allowed: an integer, 'epoch', 'log', 'off'"),
    ("--curvature.every 5 --curvature.probe 1198", r"curvature\.probe is 1198; allowed: at most 1197, the training"),
    ("--curvature.every 5 --curvature.k 99999", r"curvature: k is 99999; allowed: 1 to 68106, the parameters"),
    ("--model style_generator --curvature.every 5", r"curvature\.every is 5; allowed for models that generate"),
    ("--freeze U,V", "freeze is 'V', which matches no parameter; allowed: patterns of U.0, U.1"),
    ("--freeze *", r"freeze is '\*', which leaves nothing to train"),
    ("--init_from cpp-digits", "unknown checkpoint 'cpp-digits'; did you mean"),
    ("--init_from ncp-digits", "init_from is 'ncp-digits', whose weights fit nothing in the network"),
    ("--trainer.max_epochs 0", r"trainer\.max_epochs is 0; allowed: an integer >= 1"),
    ("--trainer.devices 0", r"trainer\.devices is 0; allowed: an integer >= 1, 'auto'"),
    ("--trainer.devices two", "--trainer.devices is 'two'; allowed: an integer, 'auto'"),
    ("--trainer.num_nodes 0", r"trainer\.num_nodes is 0; allowed: an integer >= 1, 'auto'"),
    ("--trainer.num_nodes 2", r"trainer\.num_nodes is 2; allowed: 1 without a launcher"),
    (
        "--trainer.strategy fsdp",
        r"trainer\.strategy is 'fsdp'; allowed: auto, ddp: a kernel needs all weights on its device",
    ),
    pytest.param("--trainer.accelerator gpu", "'accelerator': 'gpu'.* cannot be run here: No supported gpu", marks=GPU),
    ("--trainer.accelerator cup", "'accelerator': 'cup'.* Available names are: .*cpu"),
    ("--trainer.accelerator cpu --trainer.strategy dpd", "'strategy': 'dpd'.* cannot be run here"),
    ("--model pinet --model.blocks 2", "--model.blocks is '2'; allowed: a list of integers, null"),
    ("--model pinet --model.blocks [a]", r"--model\.blocks is \"\['a'\]\"; allowed: a list of integers, null"),
    ("--model pinet --model.blocks []", r"blocks is \[\]; allowed: a list of integers >= 1, one a stage"),
    ("--model pinet --model.width wide", "--model.width is 'wide'; allowed: an integer, null"),
    ("--model pdc --model.alpha0 nan", "--model.alpha0 is 'nan'; allowed: a number"),
    ("--model resnet18 --model.stem imagenet", r"input_shape is \(1, 8, 8\); allowed: images .* of at least 32x32"),
    ("--model.parametrisation mupp", "parametrisation is 'mupp'; did you mean mup"),
    ("--trainer.precision 31", "trainer.precision is '31'; allowed: 32-true"),
    ("--wandb ofline", "--wandb.mode is 'ofline'; did you mean offline"),
    ("--wandb.project=", r"wandb\.project is ''; allowed: a text of 1 to 128 characters, null"),
    ("--wandb.tags 3", "--wandb.tags is '3'; allowed: a list"),
    ("--wandb.tag [a]", "--wandb.tag .a.; did you mean --wandb.tags"),
    ("--seed -1", r"seed is -1; allowed: 0 to 2\*\*32 - 1"),
    ("--task mnist", r"no readable files in .*/MNIST/raw .*--task\.download true fetches them"),
    ("--task fashion_mnist --task.verify maybe", "--task.verify is 'maybe'; allowed: true or false"),
    (
        "--task image_folder --task.root .",
        r"root is '\.', and of folders with pictures \. holds none; allowed: at least 2",
    ),
    ("--task table --task.data irises", r"data is 'irises'; did you mean iris\?"),
    ("--task table --task.file none.csv --task.target y", r"file is 'none\.csv'; allowed: a file, there is none at /"),
    ("--task table --task.drop radius", "--task.drop is 'radius'; allowed: a list of names, null"),
    ("--task.batch_size 1198", "batch_size is 1198; allowed: at most 1197"),
    ("--task line --task.target cubik", r"target is 'cubik'; did you mean cubic\?"),
    ("--resume none", "'none' is no run folder: there is no none/config.yaml"),
    ("--resume", "--resume is ''; allowed: the folder of a run"),
    ("--resume= --seed 1", "--resume is ''; allowed: the folder of a run"),
    ("--resume none --seed 1", "--seed '1' is given with --resume; allowed: changes of trainer.max_epochs"),
    ("--optim.lr=1 --resume=none", "--optim.lr '1' is given with --resume; allowed: changes of trainer.max_epochs"),
    ("--resume none --dry_run", "--dry_run 'true' is given with --resume"),
    ("--resume none --trainer.max_epoch 3", r"--trainer\.max_epoch '3' .*; did you mean trainer\.max_epochs"),
    ("--resume none 3", "'3' is given with --resume; allowed: flags"),
    ("--resume none --trainer.max_epochs 3", "'none' is no run folder: there is no none/config.yaml"),
    ("--trainer.max_time 2", r"trainer\.max_time is '2'; allowed: a time such as 90s"),
    (
        "--trainer.save_every 2epochs",
        r"trainer\.save_every is '2epochs'; allowed: an integer >= 1 \(steps\), epoch, a t",
    ),
    ("--trainer.val_every 0", r"trainer\.val_every is 0; allowed: an integer >= 1"),
    ("--trainer.limit_train_batches 19", r"trainer\.limit_train_batches is 19; allowed: at most 18, those of an epoch"),
    (
        "--trainer.accumulate_grad_batches 19",
        r"accumulate_grad_batches is 19; allowed: at most 18, the batches of an ep",
    ),
    (
        "--model style_generator --trainer.compile true",
        "trainer.compile is True; allowed for 'style_generator': False",
    ),
    (
        "--model style_generator --trainer.accumulate_grad_batches 2",
        "accumulate_grad_batches is 2; allowed for 'style_gen",
    ),
    ("--config none.yaml", r"--config: File does not exist: '.*none\.yaml'"),
    ("--config broken.yaml", r"broken\.yaml is not readable: while parsing"),
    ("--config list.yaml", r"list\.yaml: the configuration is \[1\]; allowed: options by name"),
    ("--config empty.yaml", r"empty\.yaml: the configuration is None; allowed: options by name"),
    ("--config circle.yaml", r"circle\.yaml is not readable: Circular reference"),
    ("--config deep.yaml", r"deep\.yaml is not readable: "),
    ("--config null.yaml", r"ntk\.probe is None; allowed: an integer"),
    ("--config model_null.yaml", r"model\.skip is None; allowed: true or false"),
    ("--config wandb.yaml", r"--wandb.mode is false, which yaml makes of off; allowed: 'off', in quotes"),
    ("--task sphere --task.degrees 1.5", r"degrees"),
    ("--task line --task.train_range [a,b]", r"--task\.train_range is .*; allowed: a list of numbers, null"),
    ("--model mlp --model.width 1099511627776", "model .* does not fit into memory"),
    (f"--model mlp --model.width {10**30}", "model.width is 1000000000000000000000000000000; allowed: an integer"),
    (f"--resume {'a' * 300}", "'a+' is no run folder: there is no a+/config.yaml"),
    (f"--config {'a' * 300}", "--config: File does not exist"),
    ("--config scalar.yaml", r"scalar\.yaml: model is 'mlp'; allowed: options by name"),
    ("--config off.yaml", r"off\.yaml: ntk is False; allowed: options by name"),
    ("--config model.yaml", "unknown model 'cccp'; did you mean .*ccp"),
    ("--config option.yaml", r"option 'degre'; did you mean --model\.degree"),
    ("--config key.yaml", "Option 'sede' is not accepted; did you mean --seed"),
    ("--config value.yaml", "--optim.lr is 'hello'; allowed: a number"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_a_mistake_is_answered_in_one_line_and_leaves_nothing(
    flags: str, message: str, run: Run, tmp_path: Path
) -> None:
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    out = [] if "--resume" in flags else ["--out", "run"]
    status, stdout, stderr = run(*out, *flags.split())
    assert status == 2
    assert stdout == ""
    assert stderr.startswith("train.py: error: ")
    assert stderr.count("\n") == 1
    assert re.search(message, stderr), stderr
    assert {path.name for path in tmp_path.iterdir()} == set(CONFIGS)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("a" * 300, "out is 'a+..., of 300 characters; allowed: names of at most 255 bytes, 4000 in all"),
        ("file/run", "out is 'file/run'; allowed: a folder in one that can be written to, not .*/file"),
        ("file", "out is 'file', which exists already"),
    ],
)
def test_a_folder_that_cannot_be_made_is_refused(run: Run, tmp_path: Path, out: str, message: str) -> None:
    (tmp_path / "file").touch()
    status, _, stderr = run("--out", out)
    assert (status, stderr.count("\n")) == (2, 1)
    assert re.search(f"^train.py: error: {message}", stderr), stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_use_is_not_touched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("")
    status, _, stderr = run("--out", "run")
    assert status == 2
    assert "out is 'run', which exists already; continue it with --resume run" in stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_runs_of_one_second_take_folders_of_their_own(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Each goes on to the next name if another run takes one, also between its check and its start."""
    tried: list[Path] = []

    def run(options: RunOptions, folder: Path, resume: bool, report: bool) -> None:
        tried.append(folder)
        assert os.environ["HPNETS_OUT"] == str(folder)  # of the processes that Lightning starts
        if len(tried) < 3:
            raise FolderTaken

    monkeypatch.setattr(training_run, "run", run)
    training_run.start(MEANT, None)
    first = str(tried[0])
    assert re.fullmatch(r"runs/ncp-digits-\d{8}-\d{6}", first)
    assert [*map(str, tried)] == [first, f"{first}-2", f"{first}-3"]


@pytest.mark.parametrize("devices", ["1", "3"])
def test_another_number_of_processes_than_was_started_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, _, stderr = run("--out", "run", "--trainer.devices", devices)
    assert (status, stderr.count("\n")) == (2, 1)
    assert f"trainer.devices is {devices} and trainer.num_nodes is 1; allowed: a product of 2" in stderr
    assert not list(tmp_path.iterdir())


def test_under_a_launcher_out_is_needed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("HPNETS_OUT")
    status, _, stderr = run()
    assert status == 2
    assert "--out is needed under a launcher" in stderr


def test_a_dry_run_tries_everything_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    flags = "--model mlp --model.width 8 --ntk.probe 8 --trainer.accelerator cpu --out here/run --dry_run"
    status, text, error = run(*flags.split())
    assert (status, error) == (0, "")
    assert "resumed at step 3" in text
    assert "metrics and kernel fingerprint are as recorded" in text
    assert text.splitlines()[-1].startswith("dry run: 6 steps were trained, validated, measured, saved and resumed, te")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


SMALL = (
    "--model mlp --model.width 8 --trainer.max_epochs 2 --ntk.probe 8 --wandb off --trainer.accelerator cpu --out run"
)


@pytest.mark.parametrize(
    ("flags", "lines", "unbuffered"), [("--help", 0, ""), ("--help", 1, ""), ("--help", 0, "1"), (SMALL, 1, "1")]
)
def test_a_reader_that_goes_away_stops_nothing(tmp_path: Path, flags: str, lines: int, unbuffered: str) -> None:
    """As in `python recipes/train.py ... | head -1`: what runs ends as it would have, in silence.

    A reader that is gone before the first line, or in mid-run; with and without a buffer of Python's own.
    """
    process = subprocess.Popen(
        [sys.executable, str(RECIPE), *flags.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(lines):
        assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=120) == 0
    assert (tmp_path / "run" / "summary.json").is_file() == (flags == SMALL)
