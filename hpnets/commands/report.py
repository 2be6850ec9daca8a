"""One html page of runs and studies, made from their folders alone: hpnets report runs/first"""

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets import __version__
from hpnets.atomic_files import check_writable
from hpnets.commands.atlas import read_atlas, studies_of_checkout
from hpnets.commands.parser import Parser
from hpnets.commands.process import program
from hpnets.report.run_record import is_run
from hpnets.report.studies import is_study

if TYPE_CHECKING:
    import numpy as np

    from hpnets.report.run_record import RunRecord

MOST = 200  # runs on one page; a page of more is not read by anybody


def main(argv: list[str]) -> None:
    """Write the report of the folders that `argv` names."""
    parser = Parser(prog=program(), description=__doc__)
    parser.add_argument("folders", nargs="*", type=str, help="runs, studies, patterns, or folders that hold some")
    parser.add_argument("--out", type=str, default="report.html", help="the page; one that is there is replaced")
    parser.add_argument("--title", type=str, default="", help="the page's title")
    parser.add_argument("--atlas", action="store_true", help="add what a product changes, of the given studies or all")
    given = parser.parse_args(argv)
    report(given.folders, Path(given.out), given.title, given.atlas)


def report(folders: list[str], out: Path, title: str = "", atlas: bool = False) -> None:
    """Write the page of the runs and studies in `folders` whole; ValueError for a folder that holds none of them."""
    if out.is_dir():
        raise ValueError(f"out is {str(out)!r}, a folder; allowed: the name of a file such as report.html")
    if not out.exists():
        check_writable("out", out)
    if not folders and not atlas:
        raise ValueError("no folder is given; allowed: runs, studies, or folders that hold some, and --atlas")
    runs, studies = sorted_out(folders)
    if atlas and not studies:
        studies = studies_of_checkout()
    from hpnets.report.html import write_report
    from hpnets.report.run_record import read_run
    from hpnets.report.studies import read_study

    records = [read_run(folder) for folder in runs[:MOST]]
    left_out = f"{len(runs) - MOST} of {len(runs)} runs are left out: give fewer folders." if len(runs) > MOST else ""
    single = records[0] if len(records) == 1 else None
    write_report(
        out,
        records,
        [read_study(folder) for folder in studies],
        title=title,
        index=zoo_index() if single else None,
        defaults=defaults_of(single) if single else {},
        pictures=inputs_of,
        atlas=read_atlas(studies, zoo_index()) if atlas else None,
        left_out=left_out,
        version=__version__,
    )
    print(f"{out}: {len(records)} runs, {len(studies)} studies, {out.stat().st_size / 1e3:,.0f} kB")
    if left_out:
        print(left_out)


def sorted_out(folders: list[str]) -> tuple[list[Path], list[Path]]:
    """The run folders and the study folders among `folders`, and in them; raises ValueError for one that has none."""
    runs: list[Path] = []
    studies: list[Path] = []
    for word in folders:
        own = [path for folder in matches(word) for path in (folder, *inner(folder))]
        kept = [path for path in own if is_run(path) or is_study(path)]
        if not kept:
            raise ValueError(f"{word!r} holds no run and no study; allowed: a folder with config.yaml or results.json")
        studies += [path for path in kept if is_study(path)]
        runs += [path for path in kept if not is_study(path)]
    return list(dict.fromkeys(runs)), list(dict.fromkeys(studies))


def matches(word: str) -> list[Path]:
    """The folders that a name or a shell pattern stands for; raises ValueError if there is none."""
    paths = [Path(word)] if Path(word).is_dir() else [Path(path) for path in sorted(glob.glob(word))]
    folders = [path for path in paths if path.is_dir()]
    if not folders:
        raise ValueError(f"no such folder: {Path(word).absolute()}")
    return folders


def inner(folder: Path) -> list[Path]:
    """The folders in a folder that is itself neither run nor study, sorted, with those in them."""
    if is_run(folder) or is_study(folder):
        return []
    children = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for child in children for path in (child, *inner(child))]


def zoo_index() -> Path:
    """The index of the published weights."""
    from hpnets.zoo.index import INDEX, checkpoints_folder

    return checkpoints_folder() / INDEX


def defaults_of(run: "RunRecord") -> dict[str, Any]:
    """The defaults of all options of a run, by dotted name; of a network or task that is not ours there are none."""
    from hpnets.commands.chosen import options_type
    from hpnets.options import RunOptions
    from hpnets.report.run_record import flat

    defaults = RunOptions().to_dict()
    for kind, name in (("model", run.model), ("task", run.task)):
        try:
            defaults[kind] = {"name": "", **vars(options_type(kind, name, True)())}
        except (ValueError, TypeError):  # of a user's own code, or with options that have no default
            defaults[kind] = {"name": ""}
    return flat(defaults)


def inputs_of(run: "RunRecord", rows: list[int]) -> "np.ndarray[Any, Any] | None":
    """The test inputs (n, C, H, W) of rows of the run's data; None where these are not pictures, or not here."""
    from hpnets.tasks import create_task

    options = {k.removeprefix("task."): v for k, v in run.options.items() if k.startswith("task.")}
    options.pop("download", None)  # a report is made from what is here
    try:
        task = create_task(options.pop("name"), **options)
        task.setup("test")
        places = {int(row): place for place, row in enumerate(task.test_set.indices)}
        x = task.test_set.batch([places[row] for row in rows])[0]
    except (ValueError, KeyError, TypeError, OSError, RuntimeError):  # the page does without
        return None
    return x.numpy() if x.ndim == 4 and x.shape[1] in (1, 3) else None
