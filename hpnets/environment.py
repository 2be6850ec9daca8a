"""What a process runs on: versions, device, threads, commit. Imports torch only when asked."""

import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("hpnets", "torch", "torchvision", "lightning", "torchmetrics", "numpy", "scipy", "scikit-learn", "wandb")


def environment() -> dict[str, Any]:
    """Start, command, versions, device, threads and commit of this process, as env.json holds them."""
    import torch

    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": command(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "commit": commit(),
    }


def command() -> str:
    """The command of this process, as one types it."""
    return " ".join(["hpnets" if runs_hpnets() else f"{Path(sys.executable).name} {sys.argv[0]}", *sys.argv[1:]])


def runs_hpnets() -> bool:
    """Whether this process is `hpnets ...` or `python -m hpnets ...`, not a script or module of a checkout."""
    path = Path(sys.argv[0])
    return path.name == "hpnets" or path.parts[-2:] == ("hpnets", "__main__.py")


def device_of(name: str) -> str:
    """The torch device that auto, cpu or cuda names, that of this rank; ValueError for another, or without a GPU."""
    import torch

    if name not in ("auto", "cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"device is {name!r}; allowed here: auto, cpu{', cuda' if torch.cuda.is_available() else ''}")
    if name == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"


def commit() -> str | None:
    """The commit of the checkout that this file lies in, with "+changes" where the tree differs; None outside one."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        if subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True).returncode:
            return None
        head = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True, stderr=subprocess.DEVNULL).strip()
        changed = subprocess.check_output([*git, "status", "--porcelain", "-uno"], text=True, stderr=subprocess.DEVNULL)
        return head + ("+changes" if changed.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def short_commit(name: str | None) -> str:
    """The first seven digits of a commit, with its "+changes"; "unknown" for None."""
    return "unknown" if name is None else name[:7] + "+changes" * name.endswith("+changes")


def cpu_name() -> str:
    """The CPU's name as the system tells it."""
    path = Path("/proc/cpuinfo")
    line = re.search(r"model name\s*: (.+)", path.read_text()) if path.exists() else None
    return line[1] if line else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
