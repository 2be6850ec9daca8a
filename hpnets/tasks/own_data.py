"""Tasks on a person's own files: a run goes on only with the data that it began with; files that have moved."""

from pathlib import Path
from typing import Any

from hpnets.registry import nearest
from hpnets.tasks.base import TASKS, SupervisedTask


class OwnData(SupervisedTask):
    """A task on files that may change between the parts of a run; checkpoints hold the `digest` of what it read."""

    digest: str  # of the data, wherever it lies; set by `splits`

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the task."""
        return {"digest": self.digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raise ValueError unless the data is what it was when the checkpoint was taken."""
        if state_dict["digest"] != self.digest:
            raise ValueError(
                f"the data of task {self.name!r} is not what the run began with (digest {self.digest[:8]}, then "
                f"{state_dict['digest'][:8]}); allowed in a run that goes on: the same data, wherever it lies"
            )


def moved(options: dict[str, Any], root: str) -> dict[str, Any]:
    """The options {"name": ..., ...} of a task, with its files now in the folder `root`.

    Raises ValueError for a task that reads no files.
    """
    if "root" in TASKS.options(options["name"]):
        return {**options, "root": root}
    if options.get("file"):
        return {**options, "file": str(Path(root) / Path(options["file"]).name)}
    readers = [name for name in TASKS.names() if "root" in TASKS.options(name)]
    raise ValueError(f"root is {root!r}, but task {options['name']!r} reads no files; {nearest('', readers)}")
