"""Tune networks and additive twins alike, and write their paired differences: python -m recipes.zoo.tune --jobs 2"""

import time
from pathlib import Path

from hpnets.commands.parser import run_command
from hpnets.commands.process import fail
from recipes.command_line import command_of
from recipes.zoo.cells import CONFIGS, find_cells
from recipes.zoo.packing import KERNEL, pack, unpack
from recipes.zoo.pool import train_all
from recipes.zoo.tuned import Tuned, pairs, trials


def tune(
    cells: str | None = None,
    jobs: int = 2,
    out: str = "runs/tuning",
    minutes: float = 0.0,
    packed: str | None = None,
    checkpoints: str = "checkpoints",
    results: str = "docs/results/zoo",
    configs: str = CONFIGS,
) -> None:
    """Train every seed of each cell and twin at three rates, and enter the twins of published cells that have ended.

    The rates are 1/3, 1 and 3 times the config's; validation chooses, for the network and for its twin. Published
    weights stay as they are. Ended runs are kept, so the same command goes on. The exit status is 1 if runs are left.

    Args:
        cells: names or patterns parted by commas, by default all whose data come with the packages; those without a
            twin are left out
        jobs: processes side by side, with one thread and the seeds of one rate each; 0 trains in this process
        out: the folder of the run folders
        minutes: stop after so long; 0 is never
        packed: a folder where tar files with the ended runs are kept, to bring them home; those there are unpacked
        checkpoints: the folder of index.json, in which the twins' records are renewed
        results: the folder of spectra.json, in which the twins' spectra are renewed
        configs: the folder with <task>/<model>.yaml for every cell
    """
    from hpnets.zoo import entries

    if jobs < 0 or minutes < 0:
        raise ValueError(f"jobs is {jobs}, minutes is {minutes}; allowed: >= 0")
    sides, started = pairs(find_cells(cells, Path(configs)), Path(out)), time.time()
    if packed:
        unpack(Path(packed), Path(out))
    work = trials(sides)
    print(f"{command_of('recipes.zoo.tune')}\n{len(sides)} cells with a twin, {len(work)} rates to train", flush=True)
    left = train_all(work, jobs, started + 60 * minutes if minutes else None)
    if packed:
        pack(Path(out), Path(packed), lambda run: KERNEL)
    for net, twin in sides:
        if net.cell.name in entries(Path(checkpoints)) and net.has_ended() and twin.has_ended():
            print(record(net, twin, Path(checkpoints), Path(results)), flush=True)
    print(f"{time.time() - started:.0f} s")
    if left:
        fail(f"not finished: {', '.join(left)}", status=1)


def record(net: Tuned, twin: Tuned, checkpoints: Path, results: Path) -> str:
    """Renew the twin in the cell's index entry, and its spectra; a line with the difference."""
    from dataclasses import replace

    from hpnets.zoo.index import add_entry, pretrained_entry
    from recipes.zoo.record import twin_of
    from recipes.zoo.spectra import read_spectra, write_spectra
    from recipes.zoo.trials import tuning

    chosen = tuning(net.choice(), twin.choice(), net.rates()) | {"seconds": net.seconds() + twin.seconds()}
    entry = pretrained_entry(net.cell.name, checkpoints)
    made = twin_of(net.best(), twin.best(), chosen)
    add_entry(replace(entry, twin=made), checkpoints)
    write_spectra(results, net.cell.name, read_spectra(results)[net.cell.name]["ours"], twin.best())
    name = next(key for key in entry.metrics if key != "test/loss")
    return f"{entry.name}: {name} {made['difference'][name]}, rates {chosen['net']:g} and {chosen['twin']:g}"


if __name__ == "__main__":
    run_command(tune)
