"""recipes/evaluate.py and recipes/zoo/publish.py, run as their users run them."""

import dataclasses
import json
import re
import shutil
import statistics
from pathlib import Path

import pytest
import yaml

from hpnets.atomic_files import read_tensors
from hpnets.tasks import generation
from hpnets.training import RunFolder, train
from hpnets.zoo import entries, list_pretrained, load_pretrained
from tests.in_process import run_module, run_script
from tests.published import bundled_first
from tests.training.runs import small_options


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three finished runs that differ by their seed."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        train(small_options(seed=seed), folder / f"seed{seed}")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", bundled_first(list_pretrained()))
def test_every_shipped_checkpoint_is_as_recorded(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("evaluate", "--checkpoint", name) == 0
    assert f"{name}: metrics and kernel fingerprint are as recorded" in capsys.readouterr().out


def test_evaluate_reproduces_a_run(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("evaluate", "--checkpoint", str(runs[0])) == 0
    recorded = json.loads((runs[0] / "summary.json").read_text())["metrics"]["test/accuracy"]
    assert f"{recorded:.8g}" in capsys.readouterr().out


def test_a_generator_is_trained_and_evaluated_in_the_features_of_the_shipped_classifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "EPOCH", 1)
    flags = "--model style_generator --model.width 2 --gan.latent 4 --gan.critic_width 2 --task.batch_size 399"
    flags += " --ntk.probe 3 --ntk.every off --trainer.max_epochs 1 --trainer.accelerator cpu --wandb off"
    assert run_script("train", *flags.split(), "--out", str(tmp_path / "run"), "--report") == 0
    assert "style_generator on digits: <strong" in (tmp_path / "run" / "report.html").read_text()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["features"] == "mlp-digits"
    assert 0 < summary["metrics"]["test/frechet_floor"] < summary["metrics"]["test/frechet"]
    assert (tmp_path / "run" / "picture.png").is_file()
    assert not (tmp_path / "run" / "predictions.safetensors").exists()  # there is no target
    assert [*read_tensors(tmp_path / "run" / "probe.safetensors")] == ["x"]
    assert (tmp_path / "run" / "curves.svg").is_file()
    assert run_script("evaluate", "--checkpoint", str(tmp_path / "run")) == 0
    assert "metrics and kernel fingerprint are as recorded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "key", "name"),
    [("metrics", "test/accuracy", "test/accuracy"), ("fingerprint", "trace", "kernel trace")],
)
def test_evaluate_says_what_differs(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str, key: str, name: str
) -> None:
    shutil.copytree(runs[0], tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    summary[part][key] *= 0.999
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    assert run_script("evaluate", "--checkpoint", str(tmp_path / "run")) == 1
    error = capsys.readouterr().err
    assert f"differs from what was recorded: {name} is" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("ccp-digit", "unknown checkpoint 'ccp-digit'; did you mean ccp-digits"),
        ("runs/none", "no such run folder"),
        ("a" * 300, "unknown"),
    ],
)
def test_evaluate_refuses_what_is_not_there(checkpoint: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("evaluate", "--checkpoint", checkpoint) == 2
    assert message in capsys.readouterr().err


def test_accuracy_under_attack_is_printed_with_its_settings(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a published network, of a run and of its .ckpt file: less than clean, and less at a larger radius."""
    last = next(runs[0].rglob("*.ckpt"))
    for checkpoint in ("ccp-digits", str(runs[0]), str(last)):
        shares = []
        for eps in ("0.02", "0.2"):
            flags = ("--attack.eps", eps, "--attack.steps", "2", "--attack.norm", "linf")
            assert run_script("evaluate", "--checkpoint", checkpoint, *flags) == 0
            said = capsys.readouterr().out
            assert f"under attack: pgd, eps {eps} of the data's range in linf, 2 steps of 0.25 eps" in said
            shares.append(
                [float(re.findall(rf"test/{key} +([\d.]+)", said)[-1]) for key in ("accuracy", "robust_accuracy")]
            )
        (clean, near), (same, far) = shares
        assert clean == same > near > far


WRONG_ATTACKS = {
    "--attack.eps -0.1": "attack.eps is -0.1; allowed: a finite number >= 0",
    "--attack.eps 1.5": "attack.eps is 1.5; allowed: 0 to 1, a fraction",
    "--attack.eps 9 --attack.norm l2": "eps is 9.0; allowed: 0 to 8, the diameter of the data's box in l2",
    "--attack.eps 0.1 --attack.name pdg": "attack.name is 'pdg'; did you mean pgd",
    "--attack.eps 0.1 --attack.norm l1": "--attack.norm is 'l1'; did you mean l2",
    "--attack.eps 0.1 --attack.loss hinge": "attack.loss is 'hinge'",
    "--attack.eps 0.1 --attack.steps 0": "attack.steps is 0; allowed: an integer >= 1",
    "--attack.eps 0.1 --attack.step_size 0": "attack.step_size is 0.0; allowed: a finite number > 0",
    "--attack.eps 0.1 --attack.restarts 2 --attack.random_start false": "attack.restarts is 2; allowed: 1 without",
    "--attack.steps 3": "attack.eps is 0; allowed with other options of the attack: > 0",
}


@pytest.mark.parametrize("flags", WRONG_ATTACKS)
def test_a_wrong_attack_is_refused_before_any_work(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("evaluate", "--checkpoint", "ccp-digits", *flags.split()) == 2
    said = capsys.readouterr()
    assert WRONG_ATTACKS[flags] in said.err
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_an_attack_on_a_task_without_classes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("evaluate", "--checkpoint", "siren-image_fit", "--attack.eps", "0.1") == 2
    said = capsys.readouterr()
    assert "attack.eps is 0.1; allowed for task 'image_fit', which has no classes: 0" in said.err
    assert said.out == ""


EDITS = {
    "another width": (
        lambda c, s: c["model"].update(width=17),
        r"model.safetensors is not of the network that .*config",
    ),
    "no task name": (
        lambda c, s: c["task"].pop("name"),
        "config.yaml: task.name is None; allowed: one of --list_tasks",
    ),
    "a null": (lambda c, s: c["ntk"].update(probe=None), "config.yaml: ntk.probe is None; allowed: an integer"),
    "a group": (lambda c, s: c.update(gan=None), "config.yaml: gan is None; allowed: options by name"),
    "a lost key": (lambda c, s: s["fingerprint"].pop("trace"), "summary.json: there is no fingerprint.trace"),
    "a lost part": (lambda c, s: s.pop("metrics"), "summary.json: there is no metrics"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_evaluate_names_file_and_key_of_a_run_that_a_person_edited(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: str
) -> None:
    folder, (change, message) = RunFolder(shutil.copytree(runs[0], tmp_path / "run")), EDITS[edit]
    config, summary = yaml.safe_load(folder.config.read_text()), json.loads(folder.summary.read_text())
    change(config, summary)
    folder.config.write_text(yaml.safe_dump(config))
    folder.summary.write_text(json.dumps(summary))
    assert run_script("evaluate", "--checkpoint", str(folder.path)) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1


def test_a_number_that_yaml_takes_for_a_text_is_one(runs: list[Path], tmp_path: Path) -> None:
    folder = RunFolder(shutil.copytree(runs[0], tmp_path / "run"))
    folder.config.write_text(folder.config.read_text().replace("lr: 0.01", "lr: 1e-2"))
    assert yaml.safe_load(folder.config.read_text())["optim"]["lr"] == "1e-2"
    assert run_script("evaluate", "--checkpoint", str(folder.path)) == 0
    assert run_script("train", "--resume", str(folder.path)) == 0


def publish(runs: list[Path], folder: Path, *flags: str) -> int:
    flags = ("--name", "small", "--runs", json.dumps([*map(str, runs)]), "--folder", str(folder), *flags)
    return run_module("recipes.zoo.publish", *flags)


def test_publish_makes_a_checkpoint_with_the_spread_of_its_seeds(runs: list[Path], tmp_path: Path) -> None:
    assert publish(runs, tmp_path) == 0
    entry = entries(tmp_path)["small"]
    accuracies = [json.loads((run / "summary.json").read_text())["metrics"]["test/accuracy"] for run in runs]
    assert entry.seeds == [0, 1, 2]
    assert entry.metrics["test/accuracy"]["weights"] == accuracies[0]
    assert entry.metrics["test/accuracy"]["mean"] == pytest.approx(sum(accuracies) / 3)
    net, preprocess = load_pretrained("small", tmp_path)
    assert dict(net.named_parameters())["C.weight"].shape == (10, 16)
    assert preprocess.mean == entry.preprocessing["mean"]
    assert (entry.parameters, entry.twin) == (sum(p.numel() for p in net.parameters()), None)
    drifts = [json.loads((run / "summary.json").read_text())["kernel"]["drift"] for run in runs]
    assert entry.kernel["drift"]["mean"] == pytest.approx(sum(drifts) / 3)
    assert (entry.kernel["probe"], entry.kernel["outputs"], entry.kernel["zero_gradient"]) == (20, "trace", 0)


def test_publishing_again_replaces_the_file(runs: list[Path], tmp_path: Path) -> None:
    for order in (runs, runs[::-1]):
        assert publish(order, tmp_path) == 0
    assert [p.name for p in tmp_path.glob("*.safetensors")] == [entries(tmp_path)["small"].file]


def test_publish_refuses_too_few_seeds_and_runs_that_differ(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish([runs[0], runs[0], runs[1]], tmp_path) == 2
    assert "runs have the seeds [0, 0, 1]; allowed: at least 3 different ones" in capsys.readouterr().err
    other = dataclasses.replace(small_options(seed=5), model={"name": "ccp", "degree": 2, "width": 16})
    train(other, tmp_path / "other")
    assert publish([*runs, tmp_path / "other"], tmp_path) == 2
    assert "differs from" in capsys.readouterr().err
    assert not entries(tmp_path)


def test_twins_are_compared_seed_by_seed(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = {"name": "ccp", "degree": 3, "width": 16, "product": "sum"}
    twins = [train(small_options(seed=seed, model=model), tmp_path / f"sum{seed}").folder for seed in range(3)]
    assert publish(runs, tmp_path, "--twins", json.dumps([*map(str, twins)])) == 0
    twin = entries(tmp_path)["small"].twin
    assert twin is not None
    accuracies = [
        [json.loads((r / "summary.json").read_text())["metrics"]["test/accuracy"] for r in side]
        for side in (runs, twins)
    ]
    differences = [a - b for a, b in zip(*accuracies, strict=True)]
    assert twin["difference"]["test/accuracy"]["mean"] == pytest.approx(statistics.mean(differences))
    assert twin["difference"]["test/accuracy"]["std"] == pytest.approx(statistics.stdev(differences))
    assert twin["kernel"]["drift"].keys() == twin["difference"]["drift"].keys() == {"mean", "std"}
    for wrong in (twins[::-1], runs):
        assert publish(runs, tmp_path, "--twins", json.dumps([*map(str, wrong)])) == 2
        assert "allowed: the runs with model.product: sum, seed by seed" in capsys.readouterr().err
