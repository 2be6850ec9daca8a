"""What a benchmark ran on."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any


def environment(device: str, threads: int) -> dict[str, Any]:
    """Device, CPU, threads, versions, commit, date and the load of the last minute."""
    import torch

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else f"{cpu_name()}, {threads} threads",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "commit": commit.stdout.strip() or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
    }


def cpu_name() -> str:
    """The CPU's name as the system tells it."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", path.read_text()) if path.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def file_name(device: str) -> str:
    """A device's name as a file's."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
