"""A run as the command line starts or resumes it, and the lines that are printed at its end."""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpnets.commands.dry_run import dry_run
from hpnets.commands.process import INTERRUPTED, fail, other_command
from hpnets.commands.resuming import resumed_run
from hpnets.options import RunOptions
from hpnets.options.launcher import is_shared


def start(options: RunOptions, out: str | None, report: bool = False) -> None:
    """Start a run in the folder `out`, or in the one of all its processes, or in the first that no other run takes."""
    given = out or shared_folder()
    if given:
        return run(options, Path(given), resume=False, report=report)
    from hpnets.training.errors import FolderTaken

    for folder in new_folders(options):
        try:
            return run(options, folder, resume=False, report=report)
        except FolderTaken:  # by a run of the same second
            continue


def shared_folder() -> str | None:
    """The folder of the run that Lightning has started this process for; None for the process that starts a run.

    Raises ValueError under another launcher, since each process would choose a folder of its own.
    """
    if is_shared() and "HPNETS_OUT" not in os.environ:
        raise ValueError("--out is needed under a launcher: each process would choose its own run folder")
    return os.environ["HPNETS_OUT"] if is_shared() else None


def new_folders(options: RunOptions) -> Iterator[Path]:
    """runs/MODEL-TASK-TIME, then with -2, -3, ...; HPNETS_OUT tells it to the processes that Lightning starts."""
    model, task = (part["name"].replace("/", "-") for part in (options.model, options.task))  # timm/resnet18
    name = f"runs/{model}-{task}-{time.strftime('%Y%m%d-%H%M%S')}"
    for n in itertools.count(1):
        os.environ["HPNETS_OUT"] = name if n == 1 else f"{name}-{n}"
        yield Path(os.environ["HPNETS_OUT"])


def resume(argv: list[str]) -> None:
    """Go on with the run of --resume FOLDER; raises ValueError for other flags than those that may change then."""
    folder, options = resumed_run(argv)
    run(options, folder, resume=True)


def try_run(options: RunOptions, out: str | None) -> None:
    """Try all that a run does on a few steps; a loss that is NaN or a signal ends it as it ends a run."""
    from hpnets.training import Interrupted, NonFiniteError

    try:
        dry_run(options, Path(out or shared_folder() or next(new_folders(options))))
    except NonFiniteError as error:
        fail(str(error), status=1)
    except (Interrupted, KeyboardInterrupt):
        fail("stopped", INTERRUPTED)


def run(options: RunOptions, folder: Path, resume: bool, report: bool = False) -> None:
    """Train, draw the curves, print the results, and with `report` write report.html into the folder."""
    from hpnets.report import draw_curves
    from hpnets.training import Interrupted, NonFiniteError, train
    from hpnets.zoo import features_for

    command = f"{other_command('train')} --resume {folder}"
    try:
        features = features_for(options.model["name"], options.task["name"])
        summary = train(options, folder, resume, features)
    except NonFiniteError as error:
        fail(str(error), status=1)
    except (Interrupted, KeyboardInterrupt) as error:
        fail(f"{str(error) or 'stopped'}; go on with: {command}" if folder.exists() else "stopped", INTERRUPTED)
    if summary.ended_before and summary.results:
        if not (folder / "curves.svg").exists():  # as if the run was killed before it drew them
            draw_curves(folder)
        print(
            f"the run in {folder} has ended, at step {summary.results['steps']}, and is left as it is; "
            f"prolong it with: {command} --trainer.max_epochs N"
        )
    elif summary.results:
        draw_curves(folder)
        print(describe(summary.results, folder))
    if summary.results and report:
        from hpnets.commands.report import report as write_report

        write_report([str(folder)], folder / "report.html")


def describe(results: dict[str, Any], folder: Path) -> str:
    """The lines that are printed at the end of a run."""
    metrics, best = ("  ".join(f"{k} {v:.4f}" for k, v in results[part].items()) for part in ("metrics", "best"))
    kernel = results["kernel"]
    top = "  ".join(f"{value:.4g}" for value in results["fingerprint"]["eigenvalues"])
    drift = "  ".join(
        f"{name} {kernel[name]:.4g}" for name in ("drift", "cosine_drift") if kernel.get(name) is not None
    )
    return "\n".join(
        [
            f"{results['model']} on {results['task']}: {results['parameters']:,} parameters, {results['steps']} steps, "
            f"{results['seconds']:.1f} s",
            f"  metrics          {metrics}",
            *([f"  best validation  {best}, in {folder / 'checkpoints' / 'best.ckpt'}"] if best else []),
            *([f"  kernel           {drift}"] if drift else []),
            f"  top eigenvalues  {top}",
            f"  run folder       {folder}",
            f"  look at          {folder / 'curves.svg'}",
            f"  check it         {other_command('evaluate')} --checkpoint {folder}",
        ]
    )
