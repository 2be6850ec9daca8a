"""Every code block of README.md and docs/: run in order, each page in an empty folder; links lead somewhere.

Training is shortened by flags; what recipes.bench measures is measured in tests/recipes/test_bench.py, here its flags
are checked; lines that need another machine are only parsed (see `only_parsed`).
"""

import json
import os
import random
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import yaml

from hpnets.models.registry import _MODELS
from hpnets.ntk.metrics import METRICS
from hpnets.optimisers import OPTIMISERS
from hpnets.registry import Registry
from hpnets.schedules import SCHEDULES
from hpnets.tasks.augment import AUGMENTATIONS
from hpnets.tasks.base import TASKS
from recipes.bench import engine, table
from tests.in_process import ROOT, run_path

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LANGUAGES = ("python", "bash", "text", "yaml", "json", "csv")
# .ci/run executes the installation and pytest; the rest needs an account, or processes of its own.
NOT_RUN = ("pip install ", "pytest", "torchrun ", "wandb login", "wandb sync ")
TRAIN = ROOT / "recipes" / "train.py"
SHORT = {"--trainer.max_epochs": "1", "--trainer.accelerator": "cpu"}
BENCHMARK = ROOT / "recipes" / "bench" / "__main__.py"
UNLESS_GIVEN = {"--ntk.probe": "20", "--wandb": "off"}
INFORMATION = ("--help", "--print_config", "--list_models", "--list_tasks")


@dataclass(frozen=True)
class Block:
    """One fenced block: the words after ```, its text, and the line of its first line (from 1)."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order; fails for a fence that is indented or never closed."""
    made, start, language = [], 0, ""
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            assert line.startswith("```"), f"{page}:{number}: an indented fence"
            if start:
                assert line.strip() == "```", f"{page}:{number}: a fence within a fence"
                made.append(Block(language, "\n".join(lines[start : number - 1]) + "\n", start + 1))
            start, language = (0, "") if start else (number, line[3:].strip())
    assert not start, f"{page}:{start}: a fence that is never closed"
    return made


def commands(text: str) -> list[str]:
    """The commands of a bash block: lines joined at a backslash, without comments, parted at &&."""
    lines = text.replace("\\\n", " ").splitlines()
    return [part.strip() for line in lines for part in line.partition("#")[0].split("&&") if part.strip()]


def given(words: list[str], flag: str) -> str | None:
    """The value of a flag among words, or None."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == flag or word.startswith(f"{flag}="):
            return word.partition("=")[2] or following
    return None


def only_parsed(words: list[str]) -> bool:
    """Whether a training command needs what a test has not: more processes, a GPU, a download, a key."""
    return (
        (given(words, "--trainer.devices") or "1") != "1"
        or given(words, "--trainer.accelerator") not in (None, "auto", "cpu")
        or given(words, "--task.download") is not None
        or given(words, "--wandb") == "online"
    )


def shortened(words: list[str]) -> list[str]:
    """The flags of recipes/train.py for a short run on one CPU, or for none at all."""
    if given(words, "--resume") is not None and given(words, "--trainer.max_epochs"):
        return [*words, "--trainer.max_epochs", "2"]
    if given(words, "--resume") is not None or set(words) & set(INFORMATION):
        return words
    if only_parsed(words):
        return [*words, "--print_config"]
    added = SHORT | {flag: value for flag, value in UNLESS_GIVEN.items() if given(words, flag) is None}
    return [*words, *(word for item in added.items() for word in item)]


@contextmanager
def nothing_measured() -> Iterator[None]:
    """`recipes.bench ntk` reads and checks its flags, and has no cases."""
    with mock.patch.object(engine, "measure", return_value={}), mock.patch.object(table, "render", return_value=""):
        yield


def run_here(path: Path, flags: list[str]) -> None:
    """A command in this process; fails unless it succeeds."""
    handler = signal.getsignal(signal.SIGTERM)
    with mock.patch.dict(os.environ):
        os.environ.pop("HPNETS_OUT", None)
        try:
            status = run_path(path, *flags)
        finally:
            signal.signal(signal.SIGTERM, handler)
    assert not status, f"{path.name} {' '.join(flags)} exits {status}"


def run_command(command: str) -> None:
    """One command of a bash block; fails for one that is neither a command of ours nor in NOT_RUN."""
    words = shlex.split(command)
    if script := script_of(words):
        path, flags = script
        with nothing_measured() if path == BENCHMARK else nullcontext():
            run_here(path, shortened(flags) if path == TRAIN or flags[:1] == ["train"] else flags)
        return
    assert command.startswith(NOT_RUN), f"{command!r} is unknown to this test: a recipe, or one of {NOT_RUN}"
    if "recipes/train.py" in words:
        run_here(TRAIN, [*words[words.index("recipes/train.py") + 1 :], "--print_config"])


def script_of(words: list[str]) -> tuple[Path, list[str]] | None:
    """The file of this checkout that a command runs, and its flags; None for another command."""
    if words[0] == "hpnets":
        return ROOT / "hpnets" / "__main__.py", words[1:]
    if words[:2] == ["python", "-m"]:
        path = ROOT / Path(*words[2].split("."))
        path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        return (path, words[3:]) if path.is_file() else None
    path = ROOT / words[min(1, len(words) - 1)]
    return (path, words[2:]) if words[0] == "python" and path.is_file() else None


def run_page(page: Path) -> None:
    """All blocks of a page, the python ones in one namespace, tracebacks with the page's own lines."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
        elif block.language == "bash":
            for command in commands(block.text):
                run_command(command)
        elif block.language in ("yaml", "json"):
            yaml.safe_load(block.text) if block.language == "yaml" else json.loads(block.text)


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working directory with the configs alone, no key, no progress bar; registries and random state are put back."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "configs").symlink_to(ROOT / "recipes" / "configs")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    state = random.getstate(), torch.get_rng_state()
    registries: tuple[Registry[Any], ...] = (_MODELS, TASKS, OPTIMISERS, SCHEDULES, AUGMENTATIONS)
    with ExitStack() as stack:
        for entries in (os.environ, *(registry._entries for registry in registries)):
            stack.enter_context(mock.patch.dict(entries))
        yield
    random.setstate(state[0])
    torch.set_rng_state(state[1])


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
@pytest.mark.usefixtures("clean")
def test_the_code_of_a_page_runs(page: Path) -> None:
    run_page(page)


def test_fences_name_a_known_language() -> None:
    of_pages = [(page, block) for page in PAGES for block in blocks(page)]
    unknown = [
        f"{page}:{block.line}: {block.language!r}" for page, block in of_pages if block.language not in LANGUAGES
    ]
    assert not unknown, f"{unknown}; allowed: {LANGUAGES}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            assert linked.exists(), f"{page}: no {target}"
            assert not anchor or anchor in anchors(linked), f"{page}: no heading {target}"


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = ROOT / "docs" / "README.md"
    linked = {(contents.parent / t).resolve() for t in re.findall(r"\]\(([^)#]+\.md)\)", contents.read_text())}
    assert linked == {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - {contents}


def test_every_metric_is_explained() -> None:
    text = (ROOT / "docs" / "concepts" / "tracking.md").read_text()
    rows = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `")]
    explained = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert set(METRICS) <= explained, f"not in tracking.md: {sorted(set(METRICS) - explained)}"


@pytest.mark.parametrize(
    "command", ["rm -rf runs", "python other.py", "python -m recipes.none", "curl example.org", "export A=1"]
)
def test_an_unknown_command_is_refused(command: str) -> None:
    with pytest.raises(AssertionError, match="unknown to this test"):
        run_command(command)


@pytest.mark.usefixtures("clean")
def test_a_command_with_a_mistake_fails(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ("--modle ccp", "--trainer.devices 2 --trainer.stratgy ddp", "--wandb online --ntk.prob 3"):
        with pytest.raises(AssertionError, match="exits 2"):
            run_command(f"python recipes/train.py {flags}")
        assert "did you mean" in capsys.readouterr().err
    with pytest.raises(AssertionError, match="exits 2"):
        run_command("python -m recipes.bench ntk --cases mpl")
    with pytest.raises(AssertionError, match="exits 2"):
        run_command("torchrun --nproc_per_node 2 recipes/train.py --trainer.device 2")


def test_commands_are_parted_and_joined() -> None:
    assert commands("a b && c \\\n  d  # e\n\n# f\n") == ["a b", "c    d"]
    assert shortened(["--help"]) == ["--help"]
    assert shortened(["--resume", "r"]) == ["--resume", "r"]
    assert shortened(["--resume", "r", "--trainer.max_epochs", "40"])[-1] == "2"
    assert shortened(["--trainer.devices=2"]) == ["--trainer.devices=2", "--print_config"]
    assert shortened(["--wandb", "offline"])[-2:] == ["--ntk.probe", "20"]
