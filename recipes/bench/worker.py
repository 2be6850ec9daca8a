"""The worker: a process that computes one kernel at each request, and says how long it took; stdlib and numpy only.

It runs in the Python of a peer's own environment. The protocol is one json a line: argv[1] is the job; the worker
replies {"versions", ...} when it is ready; then it answers each request {"save": path or null} by {"seconds"}, with
{"peak_bytes", "resident_bytes"} if the result is saved, until stdin ends.
"""

import ctypes
import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np


@dataclass(frozen=True)
class Job:
    """A case to compute, with its weights and inputs `x` in the npz file `data`, on `device` with `threads` threads.

    verify: that of `ntk`, if it has such a keyword; "" leaves it at its default.
    """

    case: str
    data: str
    samples: int
    device: str = "cpu"
    threads: int = 1
    outputs: Any = "full"
    memory: str = "1GiB"
    verify: str = ""
    options: dict[str, int] = field(default_factory=dict)

    def arrays(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The weights by name, and the first `samples` inputs."""
        with np.load(self.data) as file:
            weights = dict(file)
        return weights, weights.pop("x")[: self.samples]


Compute = Callable[[], Any]


def serve(
    setup: Callable[[Job], Compute],
    packages: tuple[str, ...],
    describe: Callable[[Job, Compute], dict[str, Any]] = lambda job, compute: {},
    convert: Callable[[Any], np.ndarray] = lambda k: k.detach().cpu().numpy(),
    warm: bool = True,
) -> None:
    """Set up, say what runs here, then answer requests.

    Args:
        setup: gives the computation of a job; its result stays on the device.
        packages: the packages whose versions are told.
        describe: gives what else is told of the job and its computation before the work.
        convert: gives the result as (N, N, O, O) in numpy; it is not timed.
        warm: whether two samples are computed first, so that libraries' own buffers do not count as the kernel's.
    """
    job = Job(**json.loads(sys.argv[1]))
    channel = private_stdout()
    limit_threads(job.threads)
    if warm:
        setup(replace(job, samples=2))()
    compute = setup(job)
    versions = {name: importlib.metadata.version(name) for name in packages}
    say(channel, {"versions": {"python": sys.version.split()[0], **versions}, **describe(job, compute)})
    for line in sys.stdin:
        say(channel, answer(compute, convert, json.loads(line)["save"], job.device))


def answer(compute: Compute, convert: Callable[[Any], np.ndarray], save: str | None, device: str) -> dict[str, Any]:
    """Compute once: the seconds, and for a saved result the most bytes held, both beyond those before and in all."""
    before = start_of_peak(device) if save else 0
    start = time.perf_counter()
    result = compute()
    synchronise(device)
    seconds = time.perf_counter() - start
    if not save:
        return {"seconds": seconds}
    resident = highest(device)
    np.save(save, convert(result))
    return {"seconds": seconds, "peak_bytes": resident - before, "resident_bytes": resident}


def start_of_peak(device: str) -> int:
    """The bytes held now; if the system allows, the mark of the highest memory starts anew from here."""
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # memory that the warm-up freed would otherwise be reused without being counted
        libc.malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return highest(device)
    return status("VmRSS")


def highest(device: str) -> int:
    """The bytes of the highest memory; VmHWM, unlike Linux' ru_maxrss, leaves out the parent's memory before exec."""
    if device != "cpu":
        import torch

        return torch.cuda.max_memory_allocated()
    if Path("/proc/self/status").exists():
        return status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def status(key: str) -> int:
    """A line of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":"))


def synchronise(device: str) -> None:
    """Wait for the accelerator."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def limit_threads(threads: int) -> None:
    """Bind the process to its first `threads` cores if the system can, which limits every library alike."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def private_stdout() -> TextIO:
    """A channel to the real stdout, for replies alone; whatever libraries print goes to stderr."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


def say(channel: TextIO, message: dict[str, Any]) -> None:
    print(json.dumps(message), file=channel, flush=True)
