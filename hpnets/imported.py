"""A user's own Python files and modules, imported for what they register: models, tasks, optimisers, metrics; no torch.

A run's config.yaml names them with their sha256, as {file or module: sha256}.
"""

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from hpnets.validate import require

NAMES = "a Python file, or a module's dotted name"
Imports = dict[str, str]


def import_given(names: Iterable[str]) -> Imports:
    """Import what a person names on the command line; returns what config.yaml records.

    Raises ValueError, of one line, for what is not there, and for code that raises.
    """
    imports: Imports = {}
    for name in names:
        place, sources = _find(name)
        imports[place] = _sha256(sources)
        _import(name, place, sources)
    return imports


def import_recorded(config: Path, recorded: Imports, given: Imports) -> Imports:
    """Import what the file `config` records, unless it was given already, and say so on stderr; returns both.

    A given file of the same content stands for a recorded one that has moved. Raises ValueError for what is not there
    or was changed since.
    """
    missing = {name: sha for name, sha in recorded.items() if sha not in given.values()}
    for name, sha in missing.items():
        _check_unchanged(config, name, sha)
    for name in missing:
        import_given([name])
        print(f"imported {name}, unchanged since {config} was written", file=sys.stderr)
    return missing | given


def unlike(recorded: Imports, given: Imports) -> list[str]:
    """The recorded names whose content is not among what was given."""
    return [name for name, sha in recorded.items() if sha not in given.values()]


def hint(recorded: Imports) -> str:
    """What to do about a name that is unknown because the files that registered it have not been imported."""
    flags = " ".join(f"--import {name}" for name in recorded)
    return f"; the run imported code, which is not executed unasked: give {flags}, or import it first" if flags else ""


def _check_unchanged(config: Path, name: str, sha: str) -> None:
    try:
        now = _sha256(_find(name)[1])
    except ValueError:
        raise ValueError(f"{config} imports {name}, which is not there; allowed: the same code, by --import") from None
    if now != sha:
        raise ValueError(
            f"{name} was changed: its sha256 is {now[:12]}..., and {config} records {sha[:12]}...; put the old content "
            f"back, or start a new run, with --import {name}"
        )


def _find(name: str) -> tuple[str, list[Path]]:
    """The name to record, a file's whole path or a module's own, and the files that its content is."""
    if name.endswith(".py") or os.sep in name:
        require(os.path.isfile(name), "import", name, f"{NAMES}; there is no such file")
        return str(Path(name).absolute()), [Path(name)]
    _reachable(Path.cwd())
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    except Exception as error:  # of a package above it, which is executed
        raise _failed(name, error, []) from error
    sources = [Path(spec.origin)] if spec and spec.origin and spec.origin.endswith(".py") else []
    if spec and spec.submodule_search_locations:
        sources = sorted(path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*.py"))
    require(bool(sources), "import", name, f"{NAMES}; there is no such module")
    return name, sources


def _sha256(sources: list[Path]) -> str:
    """The hash of the files' content, one after another."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _import(name: str, place: str, sources: list[Path]) -> None:
    try:
        _execute(sources[0]) if os.sep in place else importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _failed(name, error, sources) from error


def _failed(name: str, error: BaseException, sources: list[Path]) -> ValueError:
    """A ValueError that tells, in a line, what the code raised, and at which of its lines."""
    files = {str(path.absolute()) for path in sources}
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    where = f" at line {line}" if line else ""
    return ValueError(f"import is {name!r}, which raises{where}: {type(error).__name__}: {error}")


def _execute(path: Path) -> None:
    """Execute a file as a module, once in a process for each content; no cache is written beside it."""
    source = path.read_bytes()
    module = ModuleType(f"{path.stem}_{hashlib.sha256(source).hexdigest()[:8]}")
    if module.__name__ in sys.modules:
        return
    module.__file__ = str(path.absolute())
    _reachable(path.absolute().parent)
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, module.__file__, "exec"), vars(module))
    except BaseException:
        del sys.modules[module.__name__]
        raise


def _reachable(folder: Path) -> None:
    """Let code import what lies in a folder, after all that is installed."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
