"""The parent's side of a worker: it starts one in a peer's Python, sends requests, and gives up in time."""

import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recipes import ROOT
from recipes.bench.worker import Job

# A worker may take this long to start: it imports, loads weights and computes two samples; JAX compiles the kernel.
START_SECONDS = 180.0


class Failed(Exception):
    """A worker ended or took too long; the message says why."""


class Worker:
    """A process that computes one job by `recipes.bench.<module>`; `about` is its description of itself."""

    def __init__(self, module: str, job: Job, python: str = sys.executable, limit: float = 600.0) -> None:
        self.limit, self.module = limit, module
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by stop
        threads = {key: str(job.threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        self._process = subprocess.Popen(
            [python, "-m", f"recipes.bench.{module}", json.dumps(dataclasses.asdict(job))],
            cwd=ROOT,
            env={**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            self.about = self._reply(max(START_SECONDS, limit))
        except BaseException:
            self.stop()
            raise

    def call(self, save: Path | None = None) -> dict[str, Any]:
        """Compute once: {"seconds"}, with {"peak_bytes", "resident_bytes"} if the result is saved; may raise Failed."""
        assert self._process.stdin is not None
        try:
            print(json.dumps({"save": save and str(save)}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise Failed(self._reason()) from None
        return self._reply(self.limit)

    def seconds(self) -> float:
        """The seconds of a call; a call shorter than a second is made again, and the second one counts."""
        first = self.call()["seconds"]
        return first if first > 1.0 else self.call()["seconds"]

    def stop(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _reply(self, limit: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        start = time.monotonic()
        ready, _, _ = select.select([self._process.stdout], [], [], limit)
        if not ready:
            raise Failed(f"stopped after {time.monotonic() - start:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(self._reason())
        return json.loads(line)

    def _reason(self) -> str:
        """The last line that the ended process wrote to stderr, or its exit status."""
        status = self._process.wait()
        self._errors.seek(0)
        lines = [line for line in self._errors.read().splitlines() if line.strip()]
        killed = "out of memory, or ended by another" if status == -9 else f"exit status {status}"
        return lines[-1].strip() if lines and status != -9 else killed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
