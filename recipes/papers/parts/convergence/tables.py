"""Tables and pictures of the NTK convergence study."""

import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.papers.parts.charts import band, chart, colours
from recipes.papers.parts.convergence.claims import Found, values
from recipes.papers.parts.pages import Section, spread

if TYPE_CHECKING:
    from recipes.papers.ntk_convergence import Sizes


def sections(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Section]:
    """The tables, with their pictures."""
    draws = list(range(sizes.init_seeds))
    errors = values(found, "init", sizes.init_widths, draws, "error")
    keys = {
        "move": "|K_T - K_0| / |K_0|",
        "inflation": "mean K_T / mean K_0",
        "finite": "off its own",
        "limit": "off the limit",
    }
    trained = {key: values(found, "trained", sizes.widths, seeds, key) for key in keys}
    rows = [(str(w), *(spread(trained[key][w]) for key in keys)) for w in sizes.widths]
    text = (
        f"Row K((1, 0), .) on the circle before and after {sizes.steps} steps of lr 1 on x1 x2 at {sizes.points} "
        "points; then how far the trained network is, on the circle, off the predictions of kernels."
    )
    return [
        Section(
            "The kernel at initialisation",
            "|K - limit| / |limit| of the row K((1, 0), .) on the circle.",
            ("n", f"{len(draws)} draws"),
            tuple((str(w), spread(v)) for w, v in errors.items()),
        ),
        Section("In training", text, ("n", *keys.values()), tuple(rows), "kernels.svg"),
        Section("Four points", "Networks, and the limit's mean with 10th and 90th percentiles.", picture="four.svg"),
        component_section(found, sizes),
    ]


def component_section(found: Found, sizes: "Sizes") -> Section:
    rows, seeds = [], range(sizes.digit_seeds)
    for name, chosen in (("second", (2,)), ("several", sizes.chosen)):
        for w in sizes.digit_widths:
            cells = [found[f"{name}-{w}-{s}"] for s in seeds]
            for i, t in enumerate(cells[0]["times"]):
                left = [spread([c["left"][i][j] for c in cells], 2) for j in range(len(chosen))]
                theory = [f"{p:.2g}" for p in cells[0]["predicted"][i]]
                h = spread([c["h"][i] for c in cells], 2)
                rows.append((", ".join(map(str, chosen)), str(w), f"{t:.2f}", "; ".join(left), "; ".join(theory), h))
    text = (
        f"{sizes.samples} digits; f* = f_0 + 1/2 f(c) for the components c named. t in units of 1 / l, l the "
        "eigenvalue of the last; what is left of each component (1/2 at first), the same of the limit kernel, and "
        "the root mean square of what was learnt outside of them."
    )
    head = ("components", "n", "t l", "left", "left, limit kernel", "h_t")
    return Section("Principal components", text, head, tuple(rows), "components.svg")


def draw(out: Path, found: Found, sizes: "Sizes", seeds: list[int]) -> None:
    """kernels.svg, four.svg, components.svg."""
    angle = [-math.pi + 2 * math.pi * i / 60 for i in range(61)]
    draws = list(range(sizes.init_seeds))
    with chart(out / "kernels.svg", 3, "The kernel K((1, 0), .) over width n; mean and range over seeds") as (
        row,
        size,
        off,
    ):
        shades = colours([str(w) for w in sizes.widths])
        for w in sizes.widths:
            colour = shades[str(w)]
            band(row, angle, values(found, "trained", (w,), seeds, "before")[w], f"n = {w}, at first", color=colour)
            band(row, angle, values(found, "trained", (w,), seeds, "after")[w], "trained", color=colour, ls="--")
        row.plot(angle, found[f"init-{sizes.init_widths[0]}-0"]["limit"], color="black", label="limit", lw=2, alpha=0.6)
        row.set(title="on the circle", xlabel="angle")
        points(size, values(found, "init", sizes.init_widths, draws, "error"), "distance to the limit, at first")
        points(size, values(found, "trained", sizes.widths, seeds, "move"), "move in training")
        size.set(title="relative distances", xlabel="width n", yscale="log")
        for key, label in (("finite", "its own kernel"), ("limit", "the limit kernel")):
            points(off, values(found, "trained", sizes.widths, seeds, key), label)
        off.set(title="trained network, off the prediction of", xlabel="width n", yscale="log")
    with chart(
        out / "four.svg", len(sizes.four_widths), "Trained on four points: networks and the limit's percentiles"
    ) as axes:
        for a, w in zip(axes, sizes.four_widths, strict=True):
            four_panel(a, found, sizes, w, angle)
    with chart(out / "components.svg", 2, "Digits: training along principal components") as (outside, rest):
        digits = range(sizes.digit_seeds)
        points(outside, {w: [found[f"second-{w}-{s}"]["h"][-1] for s in digits] for w in sizes.digit_widths}, "|h_T|")
        outside.set(title="learnt outside of component 2", xlabel="width n", yscale="log")
        cells = [found[f"several-{sizes.digit_widths[-1]}-{s}"] for s in digits]
        times, shades = [0.0, *cells[0]["times"]], colours([str(c) for c in sizes.chosen])
        for j, c in enumerate(sizes.chosen):
            curves = [[0.5, *(abs(left[j]) for left in cell["left"])] for cell in cells]
            band(rest, times, curves, f"component {c}", color=shades[str(c)])
            theory = [0.5, *(p[j] for p in cells[0]["predicted"])]
            rest.plot(times, theory, "o", mfc="none", color=shades[str(c)], ms=6)
        title = f"n = {sizes.digit_widths[-1]}: what is left; circles: limit kernel"
        rest.set(title=title, xlabel=f"t in units of 1 / l_{sizes.chosen[-1]}", yscale="log", ylim=(1e-3, 1))


def points(axes: Any, numbers: dict[int, list[float]], label: str) -> None:
    """All seeds at their widths, on a log axis, and a line through the means."""
    # Also the ticks of an earlier call, which the scale would reset.
    ticks = sorted({*numbers, *(axes.get_xticks() if axes.lines else ())})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{w:g}" for w in ticks])
    axes.set_xticks([], minor=True)
    (line,) = axes.plot(list(numbers), [statistics.fmean(v) for v in numbers.values()], "-", label=label)
    for w, v in numbers.items():
        axes.plot([w] * len(v), v, "o", color=line.get_color(), ms=3, alpha=0.6)


def four_panel(axes: Any, found: Found, sizes: "Sizes", width: int, angle: list[float]) -> None:
    from recipes.papers.parts.convergence.kernels import FOUR, FOUR_TARGETS

    for d in range(sizes.four_seeds):
        axes.plot(
            angle, found[f"four-{width}-{d}"]["f"], color="tab:blue", lw=0.7, label="networks" if d == 0 else None
        )
    limit = found["four-limit"]
    axes.plot(angle, limit["mean"], color="black", label="limit: mean")
    z = statistics.NormalDist().inv_cdf(0.9)
    for sign in (-1, 1):
        edge = [m + sign * z * s for m, s in zip(limit["mean"], limit["std"], strict=True)]
        axes.plot(angle, edge, "--", color="black", lw=1, label="limit: 10%, 90%" if sign > 0 else None)
    axes.plot([(a + math.pi) % (2 * math.pi) - math.pi for a in FOUR], FOUR_TARGETS, "o", color="tab:red", label="data")
    axes.set(title=f"n = {width}", xlabel="angle")
