"""Tables and pictures of the extrapolation study."""

import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.papers.parts.charts import band, chart, colours
from recipes.papers.parts.extrapolation.claims import Found, mean
from recipes.papers.parts.extrapolation.networks import degree_outside
from recipes.papers.parts.pages import Section, spread

if TYPE_CHECKING:
    from recipes.papers.extrapolation import Sizes

# Learning rates of the cells of the paper's setting, by the start of their names.
PAPER_LR = {"paper": "1e-4", "fast": "1e-2"}


def sections(found: Found, sizes: "Sizes") -> list[Section]:
    """The tables, with their pictures."""
    made = [degree_section(found, sizes)]
    made += [error_section(found, "1", sizes.line_networks, sizes, "curves.svg")]
    made += [error_section(found, str(dim), sizes.box_networks, sizes, "") for dim in sizes.dims]
    return [*made, paper_section(found), sector_section(found, sizes), sum_section(found, sizes)]


def degree_section(found: Found, sizes: "Sizes") -> Section:
    targets = list(found["line-1-mlp"])
    rows = [
        (net, str(degree_outside(net)), *(fitted(finite(found[f"line-1-{net}"][t]["degree"])) for t in targets))
        for net in sizes.line_networks
    ]
    text = (
        "Least-squares slope of log |f(t)| on log t for t between 1e3 and 1e4 half boxes, d = 1. A network without "
        "activation can learn a leading coefficient of 0, and then has a lower degree, on targets of lower degree."
    )
    return Section("Degree outside", text, ("network", "of the architecture", *targets), tuple(rows))


def fitted(degrees: list[float]) -> str:
    """The mean, to three decimals, with the standard deviation where it shows at all there."""
    deviation = statistics.stdev(degrees) if len(degrees) > 1 else 0.0
    mean = f"{statistics.fmean(degrees):.3f}"
    return f"{mean} +- {deviation:.1g}" if deviation >= 5e-4 else mean


def finite(values: list[float]) -> list[float]:
    return [v for v in values if math.isfinite(v)] or [math.nan]


def error_section(found: Found, dim: str, networks: tuple[str, ...], sizes: "Sizes", picture: str) -> Section:
    targets = list(found[f"line-{dim}-mlp"])
    helix = ("helix",) if dim == "1" else ()
    rows = []
    for net in networks:
        cells = {**found[f"line-{dim}-{net}"], **found.get(f"helix-{net}", {})}
        rows.append((net, *(inside_outside(cells[t]) if t in cells else "" for t in (*targets, *helix))))
    if dim == "1":
        for degree in ("2", "3", "4", "10"):
            cells = {t: found["polynomials"][t][degree] for t in targets}
            rows.append((f"least squares, degree {degree}", *(inside_outside(cells[t]) for t in targets), ""))
    text = "Relative error inside the training box / outside it, in a box twice as wide."
    return Section(f"Errors, input dimension {dim}", text, ("network", *targets, *helix), tuple(rows), picture)


def inside_outside(got: Found) -> str:
    return f"{spread(got['inside'], 2)} / {spread(got['outside'], 2)}"


def paper_section(found: Found) -> Section:
    rows = []
    for name, got in found.items():
        kind, _, rest = name.partition("-")
        if kind in PAPER_LR:
            target, _, rest = rest.partition("-")
            network, _, epochs = rest.rpartition("-")
            rows.append(
                (
                    target,
                    network,
                    PAPER_LR[kind],
                    epochs,
                    *(spread(got[key]) for key in ("before", "inside", "outside")),
                )
            )
    text = (
        "Relative errors. Adam at 1e-4, and at 1e-2, which is not the paper's; weight decay 1e-3, batches of 512 of "
        "2,048 points, x and y as they are; ccp of width 1, mlp of two hidden layers."
    )
    head = ("target", "network", "lr", "epochs", "inside, at first", "inside", "outside")
    return Section("The stated setting", text, head, tuple(rows))


def sector_section(found: Found, sizes: "Sizes") -> Section:
    names = dict.fromkeys(name.rpartition("-")[0] for name in found if name.startswith("sector-"))
    rows = []
    for name in names:
        _, target, network = name.split("-", 2)
        cells = [found[f"{name}-{sector}"] for sector in sizes.sectors]
        rows.append((target, network, *(f"{spread(c['covered'], 2)} / {spread(c['missing'], 2)}" for c in cells)))
    text = (
        "Trained on the ring 1/2 <= |x| <= 1 of the plane without a sector, tested at |x| = 2: relative error in the "
        "directions seen / not seen (with nothing missing, the second is that of a quarter of the circle)."
    )
    head = ("target", "network", *(f"{sector} degrees missing" for sector in sizes.sectors))
    return Section("Missing directions", text, head, tuple(rows), "sectors.svg")


def sum_section(found: Found, sizes: "Sizes") -> Section:
    rows = []
    for fold in sizes.folds:
        for net in sizes.sum_networks:
            got = found[f"sums-{fold}-{net}"]
            rows.append((fold, net, *(f"{spread(v, 2)}" for part in got.values() for v in part.values())))
    text = (
        "A pair of digit images -> the sum: fractions that are right on pairs of test images, for sums that were in "
        "training and for sums that were held out (low 0-3, middle 8-10, high 15-18). round: round(f) is the sum; "
        "floor or ceil: |f - sum| < 1; within 1: round(f) is off by 1 at most. Batches of 256; lr 0.001, of the "
        "NTK-parametrised networks 0.01."
    )
    metrics = ("round", "floor or ceil", "within 1")
    head = ("held out", "network", *(f"seen: {m}" for m in metrics), *(f"held out: {m}" for m in metrics))
    return Section("Arithmetic", text, head, tuple(rows))


def draw(out: Path, found: Found, sizes: "Sizes") -> None:
    """curves.svg and sectors.svg."""
    import torch

    from hpnets.tasks.targets import TARGETS

    unit = [i / 20 - 2 for i in range(81)]
    with chart(out / "curves.svg", 3, "Trained within the dashed lines; mean and range over seeds") as (
        cubic,
        cos,
        by_degree,
    ):
        for axes, target, nets in ((cubic, "cubic", ("mlp", "ccp-3", "ccp-3-sum")), (cos, "cos2x", ("mlp", "ccp-10"))):
            box = TARGETS[target].train_range[1]
            x = [box * u for u in unit]
            y = TARGETS[target].function(torch.tensor(x)[:, None])[:, 0].tolist()
            axes.plot(x, y, color="black", label="target", lw=2.5, alpha=0.5)
            for net in nets:
                band(axes, x, found[f"line-1-{net}"][target]["curve"], net, lw=1)
            margin = (max(y) - min(y)) / 2
            axes.set(title=target, xlabel="x", ylim=(min(y) - margin, max(y) + margin))
            [axes.axvline(edge, color="grey", ls="--", lw=0.8) for edge in (-box, box)]
        degrees = [n for n in range(2, 11) if f"ccp-{n}" in sizes.line_networks]
        for target, colour in colours(list(found["line-1-mlp"])).items():
            errors = [found[f"line-1-ccp-{n}"][target]["outside"] for n in degrees]
            by_degree.plot(degrees, [mean(e) for e in errors], "o-", color=colour, label=target, ms=3)
        by_degree.set(title="ccp-N: relative error outside", xlabel="degree N", yscale="log")
    names = list(dict.fromkeys(name.rpartition("-")[0] for name in found if name.startswith("sector-")))
    with chart(
        out / "sectors.svg", len(names), "Relative error at |x| = 2 in the directions not seen (o) and seen (x)"
    ) as axes:
        for a, name in zip(axes, names, strict=True):
            for key, marker in (("missing", "o"), ("covered", "x")):
                errors = [found[f"{name}-{sector}"][key] for sector in sizes.sectors]
                for column in zip(*errors, strict=True):
                    a.plot(sizes.sectors, column, marker, color="black" if key == "missing" else "tab:blue", ms=5)
            a.set(
                title=name.removeprefix("sector-").replace("-", ", ", 1),
                xlabel="degrees missing",
                yscale="log",
                ylim=(1e-3, 10),
            )
