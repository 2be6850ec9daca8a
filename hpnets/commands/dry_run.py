"""`hpnets train ... --dry_run`: a few steps through all that a run does, after which nothing is left."""

import dataclasses
import shutil
from pathlib import Path

from hpnets.options import RunOptions, WandbOptions
from hpnets.options.launcher import launched

STEPS = 3


def dry_run(options: RunOptions, folder: Path) -> None:
    """Train a few steps, validate, measure, save, resume, test, draw and evaluate in FOLDER-dry-run, then remove it.

    Data, network and options are those of the run itself; wandb is left out. With several processes nothing is resumed,
    since a process cannot start its group twice. Raises what the run would raise.
    """
    from hpnets.commands.evaluate import evaluate
    from hpnets.report import draw_curves
    from hpnets.training import RunFolder, train
    from hpnets.zoo import features_for

    options = dataclasses.replace(options, wandb=WandbOptions("off"), trainer=launched(options.trainer))
    marked = folder.with_name(f"{folder.name}-dry-run")
    RunFolder(folder).check_new()
    RunFolder(marked).check_new()
    features = features_for(options.model["name"], options.task["name"])
    try:
        summary = train(options, marked, features=features, last_step=STEPS)
        alone = options.trainer.devices == options.trainer.num_nodes == 1
        if alone:
            summary = train(options, marked, resume=True, features=features, last_step=2 * STEPS)
        if summary.results:
            draw_curves(marked)
            evaluate(str(marked))
            resumed = "saved and resumed" if alone else "saved"
            done = (
                f"{summary.results['steps']} steps were trained, validated, measured, {resumed}, tested and evaluated"
            )
            print(f"dry run: {done}; {marked} is removed")
    finally:
        shutil.rmtree(marked, ignore_errors=True)
