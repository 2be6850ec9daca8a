"""The ways in which a run can end before its time."""


class NonFiniteError(RuntimeError):
    """A loss, a weight or a kernel became NaN or Inf; the message names the step and the value."""


class FolderTaken(ValueError):
    """The folder of a new run holds something already."""


class Interrupted(Exception):
    """The run was stopped by Ctrl-C or SIGTERM and can be resumed."""
