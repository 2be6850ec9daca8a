"""Publish the runs on Fashion-MNIST: python -m recipes.zoo.fashion_publish --packed FOLDER"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.parser import run_command
from recipes.bench.choices import names
from recipes.zoo.cells import CONFIGS, Cell
from recipes.zoo.fashion_runs import BATCH, IMAGES, NETS, RATES, TASK, TWINLESS, Side
from recipes.zoo.packing import unpack
from recipes.zoo.trials import has_ended

if TYPE_CHECKING:
    from hpnets.training import RunFolder
    from hpnets.zoo import Entry


def fashion_publish(
    runs: str = "runs/fashion",
    packed: str | None = None,
    models: str = "all",
    checkpoints: str = "checkpoints",
    results: str = "docs/results/zoo",
    configs: str = CONFIGS,
) -> None:
    """Write config, weights, index entry and spectra of each network and twin whose runs have ended.

    What an entry holds of its own weights, test metrics and fingerprint, is measured anew on this CPU, since a
    GPU rounds otherwise; means and spreads are those of the runs.

    Args:
        runs: the folder of the run folders
        packed: a folder of tar files that `recipes.zoo.fashion` made, which are unpacked into `runs` first
        models: all, or names parted by commas
        checkpoints: the folder where weights and index.json are published
        results: the folder of spectra.json
        configs: the folder where <task>/<model>.yaml are written
    """
    if packed:
        unpack(Path(packed), Path(runs))
    sides = []
    for model in list(NETS) if models == "all" else names("model", models, tuple(NETS)):
        pair = [Side(model, twin, Path(runs), "cpu") for twin in (False, True)[: 1 if model in TWINLESS else 2]]
        if not all(run.summary.is_file() for side in pair for run in side.last()):
            print(f"{model}: some runs have not ended", flush=True)
            continue
        sides += pair
        for entry in publish_pair(pair, Path(checkpoints), Path(results), Path(configs)):
            print(f"{entry.name}: {entry.metrics['test/accuracy']}, {entry.command}", flush=True)
    if sides:
        record_training(sides, Path(results))


def record_training(sides: list[Side], results: Path) -> None:
    """Write <results>/fashion.json: the command, where it ran, and how long runs were and took."""
    from hpnets.atomic_files import write_json

    runs = [run for side in sides for run in [*side.last(), *(side.trial(rate) for rate in RATES)] if has_ended(run)]
    env = json.loads(runs[0].env.read_text())
    epochs = {side.name: round(side.last()[0].read_summary()["steps"] * BATCH / IMAGES, 2) for side in sides}
    seconds = sum(run.read_summary()["seconds"] for run in runs if run.summary.is_file())
    record = {"command": env["command"], "runs": len(runs), "process_seconds": round(seconds), "epochs": epochs}
    record |= {key: env[key] for key in ("started", "device", "cores", "commit")}
    write_json(results / "fashion.json", {**record, "torch": env["versions"]["torch"]})


def publish_pair(pair: list[Side], checkpoints: Path, results: Path, configs: Path) -> "list[Entry]":
    """Publish a network and its twin, if it has one, which also has an entry of its own."""
    from recipes.zoo.publish import publish_runs
    from recipes.zoo.spectra import record_spectra
    from recipes.zoo.trials import tuning

    net, twins = pair[0], pair[1].last() if len(pair) > 1 else []
    cells = [write_config(side, configs) for side in pair]
    chosen = tuning(net.choice(), pair[1].choice(), RATES) if twins else None
    sides = [(net.last(), twins, chosen)] + [(twins, [], None)] * bool(twins)
    entries = []
    for cell, (ours, theirs, how) in zip(cells, sides, strict=True):
        entry = publish_runs(cell.name, ours, theirs, checkpoints, cell.command(ours[0].options().seed), how)
        entries.append(measured_here(entry, ours[0], checkpoints))
        record_spectra(results, cell.name, ours, theirs)
    return entries


def write_config(side: Side, configs: Path) -> Cell:
    """Write the config of a side's published run, at the rate that was chosen, for any device."""
    import yaml

    from hpnets.atomic_files import write_text

    whole = side.last()[0].options().to_dict()
    plain = {"name": side.model, **NETS[side.model], **({"product": "sum"} if side.twin else {})}
    keys = {
        "task": ("name", "batch_size", "validation"),
        "optim": ("name", "lr", "weight_decay", "schedule", "warmup"),
        "ntk": ("probe", "every"),
        "trainer": ("max_steps",),
    }
    config: dict[str, Any] = {"model": plain}
    config |= {part: {key: whole[part][key] for key in of} for part, of in keys.items()}
    cell = Cell(configs / TASK / f"{side.name}.yaml")
    write_text(cell.config, yaml.safe_dump(config, sort_keys=False))
    return cell


def measured_here(entry: "Entry", run: "RunFolder", checkpoints: Path) -> "Entry":
    """The entry with the metrics and the fingerprint of its weights as this CPU gives them; it replaces the old one."""
    from hpnets.ntk import fingerprint
    from hpnets.training import evaluate, load_run
    from hpnets.zoo.index import add_entry

    net, task, _ = load_run(run.path)
    probe = entry.fingerprint["probe"]
    metrics = evaluate(net, task)
    new = replace(
        entry,
        metrics={name: {**value, "weights": metrics[name]} for name, value in entry.metrics.items()},
        fingerprint={"probe": probe, **fingerprint(net, task.probe(probe).x)},
    )
    add_entry(new, checkpoints)
    return new


if __name__ == "__main__":
    run_command(fashion_publish)
