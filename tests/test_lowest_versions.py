"""The lowest versions that pyproject.toml allows: the contract's fast part runs on them."""

import os
import re
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = {"ruff", "mypy"}  # they check the source, and do not run it
FAST = [
    "tests/models/test_model_contract.py",
    "tests/ntk/test_kernel.py",
    "tests/ntk/test_metrics.py",
    "tests/linalg",
    "tests/commands/test_train.py",
    "tests/tasks/test_task_augment.py",
    "tests/tasks/test_task_image_folder.py",
    "tests/test_options.py",
    "tests/theory/test_limits.py",
    "tests/training/test_lit.py",
    "tests/training/test_ntk_monitor.py",
    "tests/training/test_resume.py",
    "tests/zoo/test_zoo_index.py",
]


def requirements() -> list[str]:
    """What hpnets and its tests need, as pyproject.toml says it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["test"]]


def lowest(requirement: str) -> str:
    """A requirement pinned to its lower bound; ValueError without one."""
    bound = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)(?:,<[\d.]+)?", requirement)
    if bound is None:
        raise ValueError(f"requirement is {requirement!r}; allowed: name>=version, or name>=version,<version")
    return f"{bound[1]}=={bound[2]}"


def test_every_requirement_has_a_lower_bound() -> None:
    assert lowest("lightning>=2.6.4,<3") == "lightning==2.6.4"
    assert lowest("jsonargparse[signatures]>=4.41,<5") == "jsonargparse==4.41"
    with pytest.raises(ValueError, match="requirement is 'torchvision'"):
        lowest("torchvision")
    assert all(lowest(requirement) for requirement in requirements())


def test_the_fast_part_is_there() -> None:
    assert [path for path in FAST if not (ROOT / path).exists()] == []


@pytest.mark.slow
def test_the_contract_holds_on_the_lowest_versions(tmp_path: Path) -> None:
    """In a fresh environment, which takes some gigabytes and minutes to install."""
    venv.create(tmp_path / "venv", with_pip=True)
    python, pins = tmp_path / "venv" / "bin" / "python", tmp_path / "constraints.txt"
    names = [requirement for requirement in requirements() if lowest(requirement).split("==")[0] not in TOOLS]
    pins.write_text("\n".join(map(lowest, names)) + "\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    for command in (
        ["-m", "pip", "install", "--quiet", "-c", str(pins), *names],
        ["-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *FAST],
    ):
        done = subprocess.run([python, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
