"""How often and how long, as options say it: n steps, "epoch", "5epochs", or a time such as 10m."""

import re

from hpnets.validate import at_least, require

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TIMES = "a time such as 90s, 10m, 8h or 5d"


def seconds(text: object) -> float | None:
    """The seconds that a text such as 10m stands for; None for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text) if isinstance(text, str) else None
    return float(match[1]) * SECONDS[match[2]] if match else None


def epochs(text: object) -> int | None:
    """n for "nepochs", 1 for "epoch"; None for anything else."""
    match = re.fullmatch(r"(\d+)epochs?|epoch", text) if isinstance(text, str) else None
    return int(match[1] or 1) if match else None


def check_time(name: str, text: str) -> None:
    """Raise ValueError unless `text` is a time longer than 0, or "off"."""
    require(text == "off" or bool(seconds(text)), name, text, f"{TIMES}, or off")


def check_interval(name: str, value: int | str, words: str, read: bool) -> None:
    """Raise ValueError unless `value` is a number of steps >= 1, or a text that was read; `words` says which are."""
    if isinstance(value, int):
        at_least(name, value, 1)
    require(isinstance(value, int) or read, name, value, f"an integer >= 1 (steps), {words}")
