"""--import: code of a user's own is known to the command line, kept by its hash, and never executed unasked."""

import hashlib
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import pytest
import yaml

from hpnets.models.registry import _MODELS
from hpnets.ntk.metrics.measurement import _METRICS
from hpnets.optimisers import OPTIMISERS
from hpnets.tasks.base import TASKS
from hpnets.training import RunFolder, load_run
from tests.in_process import run_module, run_script
from tests.training.runs import finish, read_rows, start_train

CODE = '''
import math

import torch
from torch import Tensor, nn

from hpnets import register_model, register_task
from hpnets.ntk.metrics import register_metric
from hpnets.optimisers import register_optimiser
from hpnets.tasks.digits import DigitsTask
from hpnets.tasks.samples import Samples, Splits


@register_model("own_gated")
class Gated(nn.Module):
    """A gate of one's own."""

    def __init__(self, input_shape: tuple[int, ...], output_dim: int, width: int = 8) -> None:
        super().__init__()
        self.A, self.B = (nn.Linear(math.prod(input_shape), width) for _ in range(2))
        self.C = nn.Linear(width, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.C(self.A(x).sigmoid() * self.B(x))


@register_task("own_parity")
class Parity(DigitsTask):
    """Whether a digit is even."""

    output_dim = 2

    def splits(self) -> Splits:
        return Splits(*(Samples(p.x, p.y % 2, p.indices, self.preprocessing) for p in super().splits()))


@register_optimiser("own_rprop", rates="adam")
def rprop(groups, o):
    """Rprop."""
    return torch.optim.Rprop([{**g, "weight_decay": 0} for g in groups], o.lr)


@register_metric("own_trace", lambda m: (m.k_t,))
def trace(k):
    """The trace."""
    return float(k.trace())
'''
SHORT = "--wandb off --ntk.probe 8 --trainer.accelerator cpu --task.batch_size 400 --trainer.max_epochs 1"
CHOICES = "--import nets.py --model own_gated --task own_parity --optim.name own_rprop --ntk.metrics [own_trace,drift]"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with nets.py; registries, imported code and signals are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPNETS_OUT", "unused")
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "nets.py").write_text(CODE)
    handler = signal.getsignal(signal.SIGTERM)
    with new_process(tmp_path):
        yield tmp_path
    signal.signal(signal.SIGTERM, handler)


@contextmanager
def new_process(folder: Path) -> Iterator[None]:
    """The registries and imported modules of `folder` are put back at the end, as for the next process."""
    with ExitStack() as stack:
        for table in (_MODELS._entries, TASKS._entries, OPTIMISERS._entries, _METRICS._entries):
            stack.enter_context(mock.patch.dict(table))
        yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a recipe with some flags, as a process of its own would: exit status, stdout, stderr."""

    def run_with(script: str, *flags: str) -> tuple[int, str, str]:
        with new_process(folder):
            return run_script(script, *flags), *capsys.readouterr()

    return run_with


def test_what_a_file_registers_is_trained_resumed_and_evaluated(run: Run, folder: Path) -> None:
    """The hash of the file is kept; a changed or missing file is refused, a moved one is given again."""
    status, _, error = run("train", *f"{CHOICES} {SHORT} --out r".split())
    assert status == 0, error
    assert "own_trace" in "".join(read_rows(folder / "r")[0])
    sha256 = hashlib.sha256(CODE.encode()).hexdigest()
    assert yaml.safe_load((folder / "r/config.yaml").read_text())["imports"] == {str(folder / "nets.py"): sha256}

    assert run("evaluate", "--checkpoint", "r", "--import", "nets.py")[0] == 0
    status, _, error = run("evaluate", "--checkpoint", "r")
    assert (status, error.count("\n")) == (2, 1)
    assert f"the run imported code, which is not executed unasked: give --import {folder}/nets.py" in error
    with new_process(folder), pytest.raises(ValueError, match="not executed unasked: give --import"):
        load_run(folder / "r")

    status, _, error = run("train", "--resume", "r")
    assert (status, error) == (0, f"imported {folder}/nets.py, unchanged since r/config.yaml was written\n")

    (folder / "nets.py").rename(folder / "moved.py")
    status, _, error = run("train", "--resume", "r")
    assert status == 2
    assert f"r/config.yaml imports {folder}/nets.py, which is not there; allowed: the same code, by --import" in error
    assert run("train", "--import", "moved.py", "--resume", "r")[0] == 0

    (folder / "nets.py").write_text(CODE + "\n")
    status, _, error = run("train", "--resume", "r")
    assert (status, error.count("\n")) == (2, 1)
    assert re.search(r"nets.py was changed: its sha256 is \w{12}\.\.\., .*config.yaml records .*start a new run", error)
    status, _, error = run("evaluate", "--checkpoint", "r", "--import", "nets.py")
    assert (status, error) == (0, f"{folder}/nets.py was changed since the run imported it\n")


def test_a_config_imports_what_it_names_and_a_changed_file_is_given_again(run: Run, folder: Path) -> None:
    flags = f"{CHOICES} {SHORT} --print_config".split()
    printed = run("train", *flags)[1]
    (folder / "c.yaml").write_text(printed)
    assert run("train", "--config", "c.yaml", "--print_config")[:2] == (0, printed)
    (folder / "nets.py").write_text(CODE.replace("width: int = 8", "width: int = 9"))
    status, _, error = run("train", "--config", "c.yaml", "--print_config")
    assert status == 2
    assert "nets.py was changed" in error
    status, again, _ = run("train", "--config", "c.yaml", "--import", "nets.py", "--print_config")
    assert status == 0
    assert [*yaml.safe_load(again)["imports"].values()] == [
        hashlib.sha256((folder / "nets.py").read_bytes()).hexdigest()
    ]


def test_lists_and_help_know_it(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "own_gated" in run("train", "--import", "nets.py", "--list_models")[1]
    assert "own_parity" in run("train", "--import=nets.py", "--list_tasks")[1]
    text = run("train", "--import", "nets.py", "--model", "own_gated", "--help")[1]
    assert "--model.width" in text
    assert "--import FILE" in text
    assert "--imports" not in text
    assert "Optional" not in text.partition("--import FILE")[2].partition("--out")[0]
    assert "--import FILE" in run("evaluate", "--help")[1]
    with new_process(folder):
        assert run_module("hpnets", "models", "own_*", "--import", "nets.py") == 0
    assert capsys.readouterr().out == "own_gated  A gate of one's own\n"


def test_a_module_is_imported_by_name_with_all_its_files_and_a_file_beside_it(run: Run, folder: Path) -> None:
    texts = {"my_package_1/__init__.py": "from my_package_1 import nets\n", "my_package_1/nets.py": CODE}
    (folder / "my_package_1").mkdir()
    for name, text in {**texts, "more.py": "import nets_beside\n", "nets_beside.py": ""}.items():
        (folder / name).write_text(text)
    flags = ("--import", "my_package_1", "--import=more.py", "--model", "own_gated", "--print_config")
    _, printed, error = run("train", *flags)
    assert error == ""
    hashes = {"my_package_1": "".join(texts.values()), str(folder / "more.py"): "import nets_beside\n"}
    expected = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in hashes.items()}
    assert yaml.safe_load(printed)["imports"] == expected


MISTAKES = [
    (
        "--import none.py",
        "import is 'none.py'; allowed: a Python file, or a module.*; there is no such file",
    ),
    ("--import no.such", "import is 'no.such'; allowed: .*; there is no such module"),
    ("--import", "--import has no value; allowed: a Python file or the name of a module"),
    ("--import --model ccp", "--import has no value; allowed: a Python file or the name of a module"),
    ("--imprt nets.py", "unrecognized arguments: --imprt nets.py; did you mean --import"),
    ("--imports nets.py", "unrecognized arguments: --imports; did you mean --import?"),
    ("--import raises.py", "import is 'raises.py', which raises at line 3: ZeroDivisionError: division by zero"),
    ("--import leaves.py", "import is 'leaves.py', which raises at line 1: SystemExit: 3"),
    ("--import broken.py", "import is 'broken.py', which raises at line 2: SyntaxError"),
    (
        "--import taken.py",
        "import is 'taken.py', which raises at line 4: ValueError: model 'ccp' is regist",
    ),
    ("--import nets.py --model own_gatd", "unknown model 'own_gatd'; did you mean own_gated"),
    ("--import nets.py --config wrong.yaml", "wrong.yaml: imports is 3; allowed: the sha256 of each file"),
    ("--resume r --import raises.py", "import is 'raises.py', which raises at line 3"),
]
FILES = {
    "raises.py": "import math\n\n1 / 0\n",
    "leaves.py": "raise SystemExit(3)\n",
    "broken.py": "x = 1\ndef f(:\n",
    "taken.py": "from torch import nn\nfrom hpnets import register_model\n"
    "class A(nn.Module):\n    @register_model('ccp')\n    class B(nn.Module):\n"
    "        def __init__(self, input_shape, output_dim): ...\n",
    "wrong.yaml": "imports: 3\n",
}


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(run: Run, folder: Path, flags: str, message: str) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(text)
    status, stdout, error = run("train", *flags.split())
    assert (status, stdout, error.count("\n")) == (2, "", 1)
    assert re.search(message, error), error
    assert {path.name for path in folder.iterdir()} == {"nets.py", *FILES}


def test_another_process_resumes_a_killed_run_of_imported_code(run: Run, folder: Path) -> None:
    status, _, error = run("train", *f"{CHOICES} {SHORT} --trainer.max_epochs 3 --out r".split())
    assert status == 0, error
    (folder / "r" / "summary.json").unlink()
    assert "unchanged since" in finish(start_train("--resume", str(folder / "r")))
    assert RunFolder(folder / "r").summary.is_file()


def test_a_network_of_timm_is_trained_resumed_and_evaluated(run: Run, folder: Path) -> None:
    pytest.importorskip("timm")
    flags = f"--model timm/test_efficientnet --task digits {SHORT} --out t"
    status, _, error = run("train", *flags.split())
    assert status == 0, error
    assert run("train", "--resume", "t")[0] == 0
    assert run("evaluate", "--checkpoint", "t")[0] == 0
    assert run("evaluate", "--checkpoint", "t/checkpoints/best.ckpt")[0] == 0
    assert float(read_rows(folder / "t")[-1]["ntk/drift"]) > 0
