"""Write the zoo's results page, its pictures and the README's best rows: python -m recipes.zoo.page --sort metric"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hpnets.commands.parser import run_command

MARKER = "pretrained"
POLYNEXT_LOSS = 22.3
ABOUT = """# The zoo

{shown}

Every registered model has a config, `recipes/configs/<task>/<model>.yaml`. It is trained with the seeds 0, 1 and 2 on
one split, and so is its additive twin, the same config with `--model.product sum`, where the model has a product. Read
from `checkpoints/index.json` by `python -m recipes.zoo.page` (`--sort` orders the tables by another column).

- Metrics are of the test split, mean +- standard deviation over the seeds, of the published network.
- Network and twin are tuned alike: the same grid of rates, seeds and lengths, and validation chooses for each. On the
  embedded tasks every seed is trained at 1/3, 1 and 3 times the config's rate (`python -m recipes.zoo.tune`); on
  Fashion-MNIST one seed tries three rates, then three seeds are trained on all images at the best
  (`python -m recipes.zoo.fashion`). A rate with a * is an end of the grid.
- The difference is that of both at these rates, seed by seed, with Student's 95% interval; of so many intervals one in
  twenty misses by chance.
- FLOPs are of one sample; the products counted among them in parentheses, in thousands.
- Drift is |K_T - K_0| / |K_0| of the trace kernel on the probe set, which a change of scale dominates; cosine drift is
  blind to scale. Where more than half of the parameters have no gradient at the start (gates that begin at zero), the
  kernel that drift is measured from is degenerate, and the row says so. BatchNorm's statistics are
  [estimated](../concepts/tracking.md#batchnorm-before-data) while they remember their start.
- Robust is the accuracy on the test samples at the worst points that pgd tries within 0.05 and 0.1 of the pixels' range
  (l_inf, 20 steps, one random start; `python -m recipes.zoo.robust`), mean over the seeds. It is an upper bound. It is
  of the runs at the rates that validation chose, for the network and for its twin.
- The decay exponent is fitted on the ranks of `decay_window` in the index; read R^2 first. It is that of the raw and of
  the trace-normalised spectrum alike. Kernels of different scale, probe size or task are not to be compared by drift.
"""


def zoo_page(
    sort: str = "metric",
    index: str = "checkpoints/index.json",
    results: str = "docs/results/zoo",
    page: str = "docs/results/zoo.md",
    readme: str | None = "README.md",
) -> None:
    """Write the page of results with its pictures, and the best rows between the markers of the README.

    Args:
        sort: metric (the best first), name, parameters, flops, seconds, drift, cosine_drift, effective_rank, ...
        index: the index of the checkpoints
        results: folder of training.json, spectra.json, width.json and of the pictures
        page: the page to write
        readme: the page with the markers <!-- pretrained --> and <!-- end pretrained -->; null leaves it
    """
    from hpnets.atomic_files import write_text
    from hpnets.report import best_table, by_goal, check_markers, draw_metric, draw_spectra, draw_width, replace_between
    from recipes.zoo.spectra import read_spectra

    if readme:
        check_markers(Path(readme), MARKER)
    goals, folder = by_goal(Path(index), sort), Path(results)
    for goal, entries in goals.items():
        draw_metric(entries, folder / f"{goal}.svg")
    twins = {name: of for name, of in read_spectra(folder).items() if of["twin"]}
    draw_spectra(twins, folder / "spectra.svg")
    if (folder / "width.json").is_file():
        draw_width(folder / "width.json", folder / "width.svg")
    write_text(Path(page), text(goals, folder, Path(page)))
    if readme:
        replace_between(Path(readme), MARKER, best_table(Path(index)))
    print(f"written: {page}, {folder}/*.svg" + (f", {readme}" if readme else ""))


def text(goals: dict[str, list[dict[str, Any]]], folder: Path, page: Path) -> str:
    """The whole page."""
    from hpnets.report import summary, zoo_table

    here = folder.relative_to(page.parent)
    shown = "\n\n".join(summary(goal, entries) for goal, entries in goals.items())
    parts = [
        ABOUT.format(shown=shown),
        trained_in(folder / "training.json"),
        tuned_in(e for of in goals.values() for e in of),
    ]
    for goal, entries in goals.items():
        table = zoo_table(entries, robust_cells(folder))
        trained = fashion_trained(folder / "fashion.json") if goal.startswith("fashion_mnist-") else ""
        claims = "".join(polynext_claim(e) for e in entries if trained and e["model"]["name"] == "polynext")
        parts.append(
            f"## {goal}\n\n{trained}{claims}{table}\n\n![{goal}, networks beside their twins]({here}/{goal}.svg)\n"
        )
    parts.append(f"""## Spectra beside the additive twins

The eigenvalues of the trace kernel at the end of training, divided by their sum, a line a seed: with the product and
with the sum in its place. The raw ones are in [spectra.json]({here}/spectra.json).

![spectra of networks and of their additive twins]({here}/spectra.svg)
""")
    parts.append(width_section(folder / "width.json", here))
    return "\n".join(part for part in parts if part)


def robust_cells(folder: Path) -> dict[str, str]:
    """The last column: accuracy under attack at two radii, with the twin's, by checkpoint; {} without any."""
    from hpnets.statistics import mean
    from recipes.zoo.robust import FILE, RADII

    file = folder / FILE
    if not file.is_file():
        return {}
    cells = {"": f"robust at {' / '.join(f'{eps:g}' for eps in RADII)} (twin)"}
    for name, sides in json.loads(file.read_text())["cells"].items():
        net, twin = (
            " / ".join(f"{mean(of[f'{eps:g}']):.2f}" for eps in RADII) if of else ""
            for of in (sides["net"], sides["twin"])
        )
        cells[name] = f"{net} ({twin})" if twin else net
    return cells


def trained_in(file: Path) -> str:
    """A text on how long everything took, as recipes/zoo/train.py recorded it; "" if it has not."""
    if not file.is_file():
        return ""
    record = json.loads(file.read_text())
    calls = "\n".join(f"{call['command']}  # {call['runs']} runs, {call['seconds']:.0f} s" for call in record["calls"])
    e = record["environment"]
    return (
        f"Trained in {record['seconds'] / 60:.1f} minutes of wall time ({record['runs']} runs, {e['cores']} cores, "
        f"torch {e['versions']['torch']}):\n\n```text\n{calls}\n```\n"
    )


def tuned_in(entries: Iterable[dict[str, Any]]) -> str:
    """A sentence on how long the rates of the embedded tasks' networks and twins took; "" if none is recorded."""
    tunings = [(e["twin"] or {}).get("tuning") or {} for e in entries]
    seconds = [tuning["seconds"] for tuning in tunings if "seconds" in tuning]
    if not seconds:
        return ""
    return (
        f"The rates of {len(seconds)} networks and their twins were tried by `python -m recipes.zoo.tune`, every seed "
        f"at every rate, in {sum(seconds) / 3600:.1f} hours of one core.\n"
    )


def fashion_trained(file: Path) -> str:
    """A text on how the networks on Fashion-MNIST were trained, and what its makers list; "" if it is not recorded."""
    if not file.is_file():
        return ""
    r = json.loads(file.read_text())
    epochs = f"{min(r['epochs'].values()):.1f} to {max(r['epochs'].values()):.1f} epochs"
    options = r["command"].partition("fashion.py")[2]
    hours = f"{r['process_seconds'] / 3600:.1f} hours"
    return f"""Trained without augmentation on one budget of FLOPs, {epochs} of the 60,000 images a run, a third of that
for the runs that try a rate, on {r["device"]} ({r["runs"]} runs, which shared it, {hours} of all processes together,
torch {r["torch"]}). What readers know, from the data set's own list, of longer training: an MLP 0.883, two
convolutional layers 0.916, ResNet-18 0.949. Twins have weights of their own, `<model>_sum-fashion_mnist`.

```text
python -m recipes.zoo.fashion{options}
```

"""


def polynext_claim(entry: dict[str, Any]) -> str:
    """The statement of the network's authors on its product, beside what the twin, tuned alike, loses here."""
    from hpnets.statistics import half_width

    value, n = entry["twin"]["difference"]["test/accuracy"], len(entry["twin"]["seeds"])
    mean, half = (100 * part for part in (value["mean"], half_width(value["std"], n)))
    sign = "reproduced" if mean > half else "contradicted" if mean < -half else "not reproduced"
    size = "reproduced" if abs(mean - POLYNEXT_LOSS) <= half else "not reproduced"
    return (
        f"PolyNeXt's authors say that a sum in place of its product costs {POLYNEXT_LOSS} points of accuracy (Wang, "
        f"Gregory and Chrysos 2026, arXiv 2605.20839, on ImageNet). Here it costs {mean:.1f} ({mean - half:.1f} to "
        f"{mean + half:.1f}), other images and a shorter training: that it costs accuracy is **{sign}**, how much is "
        f"**{size}**.\n\n"
    )


def width_section(file: Path, here: Path) -> str:
    """The table and the picture of drift against width; "" if it was not measured."""
    if not file.is_file():
        return ""
    from hpnets.report import spread

    record = json.loads(file.read_text())
    widths = list(next(iter(record["drift"].values())))
    rows = [f"| {m} | {' | '.join(spread(points[w]) for w in widths)} |" for m, points in record["drift"].items()]
    head = f"| drift at width | {' | '.join(widths)} |\n|{' --- |' * (len(widths) + 1)}"
    return f"""## Drift against width

{record["about"]}

```text
{record["command"]}
```

{head}
{chr(10).join(rows)}

![kernel drift against width]({here}/width.svg)
"""


if __name__ == "__main__":
    run_command(zoo_page)
