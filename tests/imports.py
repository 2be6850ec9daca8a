"""What the files of this checkout import from each other, read from their text, wherever in a file it stands."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("hpnets", "recipes", "tests")


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names that a file imports: `a.b.c` for `from a.b import c`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


def modules(root: Path) -> dict[str, Path]:
    """The files of the packages under `root` by their dotted names."""
    paths = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    dotted = {path: path.relative_to(root).with_suffix("").parts for path in paths}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in dotted.items()}


def graph(root: Path) -> dict[str, set[str]]:
    """Module -> the modules that it imports; a name of a package counts as its __init__."""
    known = modules(root)
    edges: dict[str, set[str]] = {}
    for name, path in known.items():
        targets = {target if target in known else target.rpartition(".")[0] for target in imports(path)}
        edges[name] = {target for target in targets if target in known}
    return edges


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """A cycle of each knot of modules, as the modules on it in their order; [] if there is none."""
    done: set[str] = set()
    return [cycle for name in edges for cycle in _from(name, edges, [], done)]


def _from(name: str, edges: dict[str, set[str]], path: list[str], done: set[str]) -> Iterator[list[str]]:
    """The cycles that a depth-first walk from `name` closes."""
    if name in path:
        yield path[path.index(name) :]
    if name in path or name in done:
        return
    for target in sorted(edges[name]):
        yield from _from(target, edges, [*path, name], done)
    done.add(name)
