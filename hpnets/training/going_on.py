"""Whether a run goes on, and from where: its last checkpoint is checked before any work is done."""

from typing import Any

from torch import Tensor

from hpnets.options import RunOptions, TrainerOptions
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.read_back import check_checkpoint, check_tensors, check_unchanged
from hpnets.training.run_folder import RunFolder

# The options that say when a run ends; to change one prolongs a run that has ended.
ENDS = ("max_epochs", "max_steps", "max_time")


def read_last(run: RunFolder, options: RunOptions) -> dict[str, Any] | None:
    """The content of last.ckpt; None if there is none, since the run was cut before its first one.

    Raises ValueError for a damaged file, for options that may not change in a run that goes on, and for an end that
    the run has passed.
    """
    if not run.last.exists():
        return None
    saved = read_checkpoint(run.last)
    check_checkpoint(run.last, saved)
    check_unchanged(run.config, options, saved.get("options", {}))
    for name, done, what in (
        ("max_epochs", saved["epoch"] + 1, "epochs"),
        ("max_steps", saved["global_step"], "steps"),
    ):
        limit = getattr(options.trainer, name)
        counts = (options.trainer.max_steps > 0) == (name == "max_steps")
        if counts and limit < done:
            raise ValueError(f"trainer.{name} is {limit}; allowed: >= {done}, the {what} trained already")
    return saved


def has_ended(run: RunFolder, options: RunOptions, saved: dict[str, Any] | None) -> bool:
    """Whether the run has ended and `options` do not prolong it; `saved` is the content of its last.ckpt.

    Raises ValueError for a run that has ended and of which there is no checkpoint to go on from.
    """
    if not run.summary.is_file():
        return False
    if saved is None:
        raise ValueError(
            f"the run in {str(run.path)!r} has ended, and there is no {run.last} from which it could go on"
        )
    before, now = saved.get("options", {}).get("trainer", {}), vars(options.trainer)
    default = vars(TrainerOptions())  # an old checkpoint has fewer options
    return all(before.get(name, default[name]) == now[name] for name in ENDS)


def check_module(run: RunFolder, saved: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Raise ValueError unless the checkpoint `saved` fits the `state` of the module that the options describe."""
    check_tensors(run.last, saved["state_dict"], state, run.config)
