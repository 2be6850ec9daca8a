"""The environment that a benchmark ran in."""

import os
import platform
import re
import time
from typing import Any

from hpnets.environment import commit, cpu_name, short_commit


def environment(device: str, threads: int) -> dict[str, Any]:
    """The device, CPU, threads, versions, commit, date and the load of the last minute."""
    import torch

    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else f"{cpu_name()}, {threads} threads",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "commit": short_commit(commit()),
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
    }


def file_name(device: str) -> str:
    """A device's name as a file name."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
