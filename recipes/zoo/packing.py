"""Run folders in a few tar files: what publishing needs of each, brought home from another machine."""

import tarfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from hpnets.atomic_files import write_whole

TEXTS = ("config.yaml", "env.json", "metrics.csv", "summary.json", "diverged.txt", "warnings.txt")
KERNEL = (*TEXTS, "ntk.safetensors")
WHOLE = (*KERNEL, "model.safetensors", "probe.safetensors")  # what publishing needs of a run
LARGEST = 15 * 2**20  # bytes of a file that comes back from a device machine


def pack(runs: Path, folder: Path, needed: Callable[[str], Sequence[str]]) -> None:
    """Write of each ended run <runs>/*/<name> the files needed(name), and the logs, into <folder>/runs<i>.tar."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("runs*.tar"):
        old.unlink()
    ended = sorted(p.parent for name in ("summary.json", "diverged.txt") for p in runs.glob(f"*/*/{name}"))
    files = [run / name for run in ended for name in needed(run.name)]
    for i, part in enumerate(parts([*filter(Path.is_file, files), *sorted(runs.glob("*.log"))])):
        write_whole(folder / f"runs{i}.tar", partial(_tar, part, runs))


def parts(files: list[Path]) -> list[list[Path]]:
    """The files in lists of at most LARGEST bytes, headers included."""
    lists: list[list[Path]] = [[]]
    room = LARGEST
    for path in files:
        size = path.stat().st_size + 2048
        if size > room and lists[-1]:
            lists, room = [*lists, []], LARGEST
        lists[-1].append(path)
        room -= size
    return lists


def _tar(files: list[Path], runs: Path, path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for file in files:
            archive.add(file, file.relative_to(runs))


def unpack(folder: Path, runs: Path) -> None:
    """Put the packed files of `folder` in their places below `runs`."""
    for path in sorted(folder.glob("runs*.tar")):
        with tarfile.open(path) as archive:
            archive.extractall(runs, filter="data")
