"""Pieces of training in processes side by side, each with a log of its own, until they are done or a time has come."""

import multiprocessing as mp
import os
import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol


class Work(Protocol):
    """What a process trains; `train` leaves out what has ended."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    def train(self) -> None: ...


def train_all(work: Sequence[Work], processes: int, until: float | None = None) -> list[str]:
    """Train each piece in a process of its own, at most until a time; the names of those that did not finish.

    processes: how many side by side; 0 trains in this process.
    """
    if processes == 0:
        for piece in work:
            piece.train()
        return []
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # the processes read them when they import torch
    waiting, running, failed = list(reversed(work)), dict[Any, tuple[Work, BaseProcess]](), list[str]()
    try:
        while waiting or running:
            for piece in [waiting.pop() for _ in range(min(processes - len(running), len(waiting)))]:
                process = _start(piece)
                running[process.sentinel] = piece, process
            ended = wait(list(running), None if until is None else max(0.0, until - time.time()))
            if not ended:
                break
            for piece, process in [running.pop(sentinel) for sentinel in ended]:
                process.join()
                failed += [piece.name] if process.exitcode else []
                print(f"{piece.name}: {f'failed, see {piece.log}' if process.exitcode else 'done'}", flush=True)
    finally:
        for _, process in running.values():
            process.kill()  # a killed run can be resumed as well as one that is stopped
            process.join()
    return sorted([*failed, *(piece.name for piece in waiting), *(piece.name for piece, _ in running.values())])


def _start(piece: Work) -> BaseProcess:
    process: BaseProcess = mp.get_context("spawn").Process(target=_train, args=(piece,))
    process.start()
    return process


def _train(piece: Work) -> None:
    import torch

    torch.set_num_threads(1)
    piece.log.parent.mkdir(parents=True, exist_ok=True)
    with piece.log.open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        piece.train()
