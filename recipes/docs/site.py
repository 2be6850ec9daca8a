"""The site's reference: a page for each subpackage with every public name.

mkdocs calls `on_files` (see mkdocs.yml): the pages exist on the site only, and docs/ stays Markdown that is read as it
is. Signatures and docstrings are read from the source by mkdocstrings, without importing torch.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).parents[2] / "hpnets"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add reference/api/<module>.md for each subpackage; mkdocs calls this once it knows the files of docs/."""
    for module, names in public_modules(PACKAGE):
        files.append(File.generated(config, f"reference/api/{module}.md", content=page(module, names)))
    return files


def public_modules(package: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (dotted name, its __all__) for each subpackage that has public names."""
    for source in sorted(package.glob("*/__init__.py")):
        names = public_names(source)
        if names:
            yield f"{package.name}.{source.parent.name}", names


def public_names(source: Path) -> list[str]:
    """The names in the __all__ of a source file, in order; [] where it has none."""
    for statement in ast.parse(source.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return list(ast.literal_eval(statement.value))
    return []


def page(module: str, names: list[str]) -> str:
    """The page of a module: its docstring, then each public name with its signature."""
    own = [f"# {module}", f"::: {module}\n    options:\n      members: []\n      show_root_heading: false"]
    return "\n\n".join([*own, *(f"::: {module}.{name}" for name in names)])
