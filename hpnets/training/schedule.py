"""When the kernel is measured."""

from typing import Literal

Every = int | Literal["epoch", "log"]


def check_every(every: Every) -> Every:
    """`every`, if it is an int >= 1, "epoch" or "log"; else ValueError."""
    if every in ("epoch", "log") or (isinstance(every, int) and not isinstance(every, bool) and every >= 1):
        return every
    raise ValueError(f"every is {every!r}; allowed: an integer >= 1 (steps), 'epoch' or 'log'")


def is_due(every: Every, step: int) -> bool:
    """Whether the kernel is due after `step` steps; "log" is 1, 2, 3, then four steps to each doubling."""
    if every == "epoch":
        return False
    if every == "log":
        return step in _log_steps(step)
    return step % every == 0


def _log_steps(limit: int) -> set[int]:
    steps, exponent = {1, 2, 3}, 8
    while round(2 ** (exponent / 4)) <= limit:
        steps.add(round(2 ** (exponent / 4)))
        exponent += 1
    return steps
