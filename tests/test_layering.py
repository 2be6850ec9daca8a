"""Imports point one way, and the top level holds what DESIGN.md names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "option_sets": set(),
    "registry": {"option_sets"},
    "validate": set(),
    "optimisers": {"registry"},
    "options": {"optimisers", "registry", "validate"},
    "files": {"registry", "validate"},
    "cli": {"registry", "validate"},
    "layers": {"optimisers", "registry"},
    "models": {"layers", "option_sets", "registry"},
    "tasks": {"option_sets", "registry"},
    "linalg": set(),
    "ntk": {"linalg", "registry"},
    # One eigensolver, one solver and one fit of a decay serve measured and limit kernels.
    "theory": {"ntk", "linalg", "registry"},
    "training": {"models", "tasks", "linalg", "ntk", "theory"}
    | {"optimisers", "options", "files", "registry", "validate"},
    "zoo": {"models", "registry", "files"},
    "report": {"files"},
}
FOLDERS = {".ci", "hpnets", "recipes", "tests", "checkpoints", "docs"}
SOURCES = sorted(path for path in (ROOT / "hpnets").rglob("*.py") if path.parent.name != "hpnets")
SOURCES += sorted(path for path in (ROOT / "hpnets").glob("*.py") if path.stem != "__init__")


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports from hpnets, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "hpnets"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part = path.relative_to(ROOT / "hpnets").parts[0].removesuffix(".py")
    for name in imports(path):
        assert name.split(".")[1] in ALLOWED[part] | {part}, f"{path} imports {name}"


LIBRARIES = {"torch", "numpy", "scipy"}


@pytest.mark.parametrize("part", ["linalg", "ntk", "theory"])
def test_kernels_stand_on_torch_and_scipy_alone(part: str) -> None:
    for path in sorted((ROOT / "hpnets" / part).rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        outside = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"hpnets"}
        assert outside <= LIBRARIES, f"{path} imports {outside - LIBRARIES}"


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").rglob("*.py")), ids=lambda path: path.name)
def test_recipes_use_public_names_only(path: Path) -> None:
    assert not [name for name in imports(path) if "._" in name]


def test_top_level_folders() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    assert {name.split("/")[0] for name in files if "/" in name} <= FOLDERS
