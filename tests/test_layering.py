"""Imports point one way and in no circle, and the top level holds what DESIGN.md names."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from hpnets.papers import list_papers
from tests.imports import ROOT, cycles, graph, imports

ALLOWED = {
    "option_sets": set(),
    "registry": {"option_sets"},
    "validate": {"registry"},
    "statistics": set(),
    "environment": set(),
    "optimisers": {"registry"},
    "schedules": {"registry", "validate"},
    "options": {"optimisers", "schedules", "registry", "validate"},
    "atomic_files": {"registry", "validate"},
    "imported": {"validate"},
    "layers": {"optimisers", "validate"},
    "models": {"layers", "option_sets", "registry", "validate"},
    "tasks": {"option_sets", "registry", "validate"},
    "linalg": set(),
    "ntk": {"linalg", "registry"},
    # One eigensolver, one solver, one fit of a decay for measured and for limit kernels.
    "theory": {"ntk", "linalg", "registry", "validate"},
    "kernels": {"ntk", "linalg", "validate"},
    "patterns": {"validate"},
    "attacks": {"options", "validate"},
    "curvature": {"ntk", "linalg", "patterns", "validate"},
    "bandits": {"kernels", "ntk", "validate"},
    "training": {"models", "tasks", "linalg", "ntk", "theory", "options", "registry", "validate"}
    | {"kernels", "optimisers", "schedules", "atomic_files", "environment", "statistics", "imported", "zoo"}
    | {"attacks", "curvature", "patterns"},
    "zoo": {"models", "registry", "validate", "atomic_files"},
    "report": {"atomic_files", "statistics", "study"},
    "study": {"atomic_files", "validate", "environment", "statistics"},
    "papers": {"layers", "models", "tasks", "linalg", "ntk", "theory", "kernels", "training", "zoo", "study"}
    | {"atomic_files", "attacks", "bandits", "curvature", "optimisers", "options", "registry", "statistics"},
}
ANYTHING = {"commands", "__main__"}
FOLDERS = {".ci", "hpnets", "recipes", "tests", "checkpoints", "docs"}
SOURCES = sorted(path for path in (ROOT / "hpnets").rglob("*.py") if path.parent.name != "hpnets")
SOURCES += sorted(path for path in (ROOT / "hpnets").glob("*.py") if path.stem != "__init__")


def ours(path: Path) -> set[str]:
    """Dotted names that a file imports from hpnets."""
    return {name for name in imports(path) if name.split(".")[0] == "hpnets"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part = path.relative_to(ROOT / "hpnets").parts[0].removesuffix(".py")
    for name in ours(path):
        assert part in ANYTHING or name.split(".")[1] in ALLOWED[part] | {part}, f"{path} imports {name}"
    assert not {name for name in imports(path) if name.split(".")[0] in ("recipes", "tests")}, path


def test_parts_of_papers_know_no_paper() -> None:
    papers = {path.parent.name for path in (ROOT / "hpnets/papers").glob("*/sizes.py")}
    assert papers == set(list_papers())
    for path in (ROOT / "hpnets/papers/parts").glob("*.py"):
        assert not {name for name in ours(path) if name.split(".")[1:2] == ["papers"] and name.split(".")[2] in papers}


PACKAGES = sorted(path.parent for path in (ROOT / "hpnets").rglob("__init__.py"))


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_no_public_name_hides_a_submodule(folder: Path) -> None:
    """`import hpnets.training.evaluation as e` binds the module, as no name of the package takes its place."""
    package = import_module(".".join(folder.relative_to(ROOT).parts))
    for name in getattr(package, "__all__", ()):
        inside = (folder / f"{name}.py").exists() or (folder / name).is_dir()
        assert not inside or isinstance(getattr(package, name), ModuleType), f"{package.__name__}.{name}"


LIBRARIES = {"torch", "numpy", "scipy"}


@pytest.mark.parametrize("part", ["linalg", "ntk", "theory", "kernels", "curvature"])
def test_kernels_stand_on_torch_and_scipy_alone(part: str) -> None:
    for path in sorted((ROOT / "hpnets" / part).rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        outside = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"hpnets"}
        assert outside <= LIBRARIES, f"{path} imports {outside - LIBRARIES}"


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").rglob("*.py")), ids=lambda path: path.name)
def test_recipes_use_public_names_only(path: Path) -> None:
    assert not [name for name in ours(path) if "._" in name]
    assert "sys.path.insert" not in path.read_text(), f"{path}: run it as a module"


def test_no_import_cycle_anywhere() -> None:
    assert not cycles(graph(ROOT))


def test_a_cycle_is_seen(tmp_path: Path) -> None:
    """Within a function, through a package's __init__, and beside a module that is in none."""
    for name, text in {
        "hpnets/__init__.py": "",
        "hpnets/a.py": "def f():\n    from hpnets.pack import g\n",
        "hpnets/pack/__init__.py": "from hpnets.pack.b import g\n",
        "hpnets/pack/b.py": "import torch\nfrom hpnets import a\n",
        "recipes/c.py": "import hpnets.a\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cycles(graph(tmp_path)) == [["hpnets.a", "hpnets.pack", "hpnets.pack.b"]]


def test_top_level_folders() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    assert {name.split("/")[0] for name in files if "/" in name} <= FOLDERS
