"""Training along principal components of the limit kernel: what is left of each, and what else is learnt."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.papers.parts.descent import descend
from hpnets.statistics import spread
from hpnets.study import Results
from hpnets.study.charts import band, shades, without_marker
from hpnets.theory import limit_kernel

GONE = 0.005  # what is below 1% of its start, 1/2, counts as gone
HEAD = ("components", "n", "t l", "left", "left, limit kernel", "h_t")


def along_components(net: nn.Module, x: Tensor, chosen: list[int], times: list[float]) -> dict[str, Any]:
    """Train on x (N, ..) towards f0 + 1/2 f(c), c the `chosen` principal components of the limit kernel (from 1).

    f(c) is of mean square 1, l_c the eigenvalue of K / N. With lr = 1 / (4 l_1), at the times t / l_c, c the last one
    chosen: "times" in units of 1 / l_c, "left": what is left of each component, of 1/2; "predicted": the same of a
    fixed kernel, (1 - lr l)^steps / 2; "h": the root mean square of f - f0 outside the span of the chosen.
    """
    l, v = torch.linalg.eigh(limit_kernel(net, x).ntk / len(x))
    l, v = l.flip(0), v.flip(1) * len(x) ** 0.5
    basis, rates = v[:, [c - 1 for c in chosen]], l[[c - 1 for c in chosen]]
    with torch.no_grad():
        start = net(x).double()
    lr = float(1 / (4 * l[0]))
    at = [round(t / float(rates[-1]) / lr) for t in times]
    y = (start + basis.sum(1, keepdim=True) / 2).float()
    seen = descend(net, x, y, lr, at[-1], set(at))
    left, h = [], []
    for step in at:
        moved = seen[step].double() - start
        along = basis.T @ moved / len(x)
        left.append((0.5 - along[:, 0]).tolist())
        h.append(float((moved - basis @ along).square().mean().sqrt()))
    predicted = [((1 - lr * rates) ** step / 2).tolist() for step in at]
    shown = [step * lr * float(rates[-1]) for step in at]
    return {"times": shown, "left": left, "predicted": predicted, "h": h, "eigenvalues": l[:10].tolist()}


def ratios(of: Results, at: int) -> dict[int, list[list[float]]]:
    """Measured over predicted rest of each component that is predicted above 1% of its start, by width and network."""
    made: dict[int, list[list[float]]] = {}
    for width, cells in of.by("width").items():
        for cell in cells:
            both = zip(cell["left"][at], cell["predicted"][at], strict=True)
            made.setdefault(width, []).append([max(left, 1e-9) / p for left, p in both if p > GONE])
    return made


def component_rows(results: Results) -> tuple[tuple[str, ...], ...]:
    """A row under HEAD for each set of components, width and time."""
    rows: list[tuple[str, ...]] = []
    for (chosen, width), of in results.split("chosen", "width").items():
        for i, t in enumerate(of.items[0].at("times")):
            left = "; ".join(spread(of.values("left", i, j), ".2g") for j in range(len(chosen)))
            theory = "; ".join(f"{p:.2g}" for p in of.items[0].at("predicted", i))
            names, h = ", ".join(map(str, chosen)), spread(of.values("h", i), ".2g")
            rows.append((names, str(width), f"{t:.2f}", left, theory, h))
    return tuple(rows)


def draw_rests(axes: Any, cells: list[dict[str, Any]], chosen: tuple[int, ...]) -> None:
    """Draw what is left of each component over time, in networks of one width and as the limit kernel predicts it."""
    times = [0.0, *cells[0]["times"]]
    for j, (c, style) in enumerate(shades(chosen).items()):
        curves = [[0.5, *(abs(left[j]) for left in cell["left"])] for cell in cells]
        band(axes, times, curves, f"component {c}", without_marker(style))
        theory = [0.5, *(p[j] for p in cells[0]["predicted"])]
        axes.plot(times, theory, label=f"{c}, limit kernel", **style | {"linestyle": "", "markerfacecolor": "none"})
    axes.set(xlabel=f"t in units of 1 / l_{chosen[-1]}", ylabel="what is left", yscale="log", ylim=(1e-3, 1))
