"""The warnings that are said during a run, each once and with its count, on stderr and in warnings.txt."""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from hpnets.atomic_files import write_text

MOST = 100  # different warnings that are kept


class Warnings:
    """Counts warnings by category and text, and writes them to a file as soon as it knows which."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.earlier: Counter[str] = Counter()  # those of the parts of the run before it was resumed
        self.file: Path | None = None

    def say(self, category: type[Warning], text: str) -> bool:
        """Count a warning; whether it is said for the first time in this process."""
        line = f"{category.__name__}: {' '.join(text.split())}"
        is_new = line not in self.counts
        if not is_new or len(self.counts) < MOST:
            self.counts[line] += 1
        if is_new:
            self.write()
        return is_new

    def keep_in(self, file: Path) -> None:
        """Write to `file` from now on; the counts of an earlier part of the run, in the file, are added."""
        self.file = file
        for count, line in re.findall(r"^(\d+) x (.*)$", file.read_text() if file.is_file() else "", re.MULTILINE):
            self.earlier[line] += int(count)
        self.write()

    def write(self) -> None:
        """Write the file whole, a line for each warning, if it is known and there are some."""
        counts = self.earlier + self.counts
        if self.file and counts:
            write_text(self.file, "".join(f"{count} x {line}\n" for line, count in counts.items()))


@contextmanager
def counted_warnings() -> Iterator[Warnings]:
    """Count all warnings that no filter stops until the end, and show each once, at its first time.

    Python, by contrast, does not see a warning again that was said on the same line.
    """
    said = Warnings()
    with warnings.catch_warnings():
        show = warnings.showwarning

        def count(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if said.say(category, str(message)):
                show(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", append=True)
        warnings.showwarning = count
        try:
            yield said
        finally:
            said.write()
