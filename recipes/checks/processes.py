"""Runs each piece of work in a process of its own, so that a crash, a hang or a full memory ends only that piece."""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

Record = dict[str, Any]
Tell = Callable[[Record], None]
Work = Callable[[Any, Tell], None]
# A fork server that has imported these starts a process in a tenth of a second instead of five seconds.
PRELOADED = ["torch", "torchvision", "timm"]


def outcomes(work: Work, arguments: list[Any], limit: float, at_once: int = 1) -> Iterator[tuple[Any, Record]]:
    """Run `work(argument, tell)` for every argument, `at_once` processes at a time; yield each as it ends.

    A record merges all that the work told. It has "ended" if the work did not return and, after an exception, "where",
    the last lines of the traceback. limit: seconds that a process may take. Arguments and `work` must be picklable.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    waiting, running = list(arguments), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_start(context, work, waiting.pop(0), limit))
            soonest = min(one.deadline for one in running)
            heard = wait([one.pipe for one in running], timeout=max(0.0, soonest - time.monotonic()))
            for one in [one for one in running if one.has_ended(one.pipe in heard)]:
                running.remove(one)
                yield one.argument, one.record
    finally:
        for one in running:
            one.stop()


@dataclass
class _Running:
    """A process at work, and what it has told so far."""

    argument: Any
    process: BaseProcess
    pipe: Connection
    limit: float
    deadline: float
    record: Record = field(default_factory=dict)

    def has_ended(self, heard: bool) -> bool:
        """Take what the process told, and say whether it has ended, by itself or at its deadline."""
        if heard:
            try:
                self.record |= self.pipe.recv()
            except EOFError:
                self.stop(kill=False)
                if self.process.exitcode:
                    self.record.setdefault("ended", _by_signal(self.process.exitcode))
                return True
        if time.monotonic() < self.deadline:
            return False
        self.record["ended"] = f"stopped after {self.limit:g} s"
        self.stop()
        return True

    def stop(self, kill: bool = True) -> None:
        if kill:
            self.process.kill()
        self.process.join()
        self.pipe.close()


def _start(context: Any, work: Work, argument: Any, limit: float) -> _Running:
    pipe, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(work, argument, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Running(argument, process, pipe, limit, time.monotonic() + limit)


def _serve(work: Work, argument: Any, pipe: Connection) -> None:
    """Do the work in the child process."""
    try:
        work(argument, pipe.send)
    except Exception as error:
        pipe.send({"ended": last_line(error), "where": traceback.format_exc().splitlines()[-8:]})
    finally:
        pipe.close()


def last_line(error: BaseException) -> str:
    """The last line of a traceback: the exception's type and message, with the message's lines joined."""
    return " ".join("".join(traceback.format_exception_only(error)).split())


def _by_signal(status: int) -> str:
    return f"killed by signal {-status}, or out of memory" if status < 0 else f"exit status {status}"
