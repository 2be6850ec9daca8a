"""Networks fitted to named functions on a box, as the `line` task has them, and what they do outside it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from numpy.polynomial import Chebyshev
from torch import Tensor

from hpnets.papers.parts.data import stacked, task_parts
from hpnets.papers.parts.ensembles import Make, far_degree, fit_in_units, make_ensemble, relative_error
from hpnets.statistics import mean, spreads
from hpnets.study import Results
from hpnets.study.charts import band, categories, without_marker
from hpnets.tasks.targets import TARGETS

Errors = dict[str, Any]
DEGREES = range(2, 11)


def fit_boxes(
    make: Callable[[int], Make],
    targets: Sequence[str],
    dim: int,
    seeds: list[int],
    points: int,
    steps: int,
    device: str,
    centred: bool = True,
    drawn: Sequence[str] = (),
) -> Errors:
    """Fit targets of one output size on their boxes, in units of the box and of y's standard deviation.

    make(O): what makes a network of O outputs. centred: see `fit_in_units`. By target, of each seed: "inside" and
    "outside", RMSE / standard deviation of y there; "degree", the slope of log |f(t v)| on log t, t in [1e3, 1e4] half
    boxes; for the targets in `drawn`, of one dimension, "curve", f at 81 points of twice the box.
    """
    members = [(target, seed) for target in targets for seed in seeds]
    x, y, *tests = stacked([box_data(target, dim, seed, points) for target, seed in members], device)
    ensemble = make_ensemble(make(y.shape[2]), [seed for _, seed in members], device)
    f = fit_in_units(ensemble, x, y, centred, steps=steps, lr=0.01)
    measured: Errors = {**errors(f, tests), "degree": far_degree(ensemble, dim, device).tolist()}
    if drawn:
        line = torch.linspace(-2, 2, 81, device=device).view(1, -1, 1).expand(len(members), -1, -1)
        measured["curve"] = [[round(v, 4) for v in row] for row in f(line)[:, :, 0].tolist()]
    n = len(seeds)
    return {
        target: {k: v[i * n : (i + 1) * n] for k, v in measured.items() if k != "curve" or target in drawn}
        for i, target in enumerate(targets)
    }


def box_data(target: str, dim: int, seed: int, points: int, in_units: bool = True) -> tuple[Tensor, ...]:
    """x, y of training, inside and outside, by the `line` task; x in units of half the training box, or as it is."""
    parts = task_parts("line", target=target, input_dim=dim, train_size=points, seed=seed)
    unit = TARGETS[target].train_range[1] if in_units else 1.0
    return tuple(tensor if i % 2 else tensor / unit for i, tensor in enumerate(parts))


def errors(f: Callable[[Tensor], Tensor], tests: Sequence[Tensor]) -> dict[str, list[float]]:
    """Relative errors of each member, with x, y inside and x, y outside for `tests`."""
    x_in, y_in, x_out, y_out = tests
    return {
        "inside": relative_error(f(x_in), y_in).tolist(),
        "outside": relative_error(f(x_out), y_out).tolist(),
    }


def polynomials(targets: list[str], seeds: list[int], points: int, device: str) -> Errors:
    """Least squares: the polynomial of degree 2..10 nearest to the same points; by target and degree, as above."""
    measured: Errors = {}
    for target in targets:
        data = [[part.double() for part in box_data(target, 1, seed, points)] for seed in seeds]
        for degree in DEGREES:
            each = [nearest_polynomial(degree, *parts) for parts in data]
            of = {key: [errors_of[key][0] for errors_of in each] for key in ("inside", "outside")}
            measured.setdefault(target, {})[str(degree)] = of
    return measured


def nearest_polynomial(degree: int, x: Tensor, y: Tensor, *tests: Tensor) -> dict[str, list[float]]:
    """Relative errors, inside and outside, of the least-squares polynomial."""
    fitted = Chebyshev.fit(x[:, 0].numpy(), y[:, 0].numpy(), degree, domain=[-1, 1])
    return errors(lambda points: torch.from_numpy(fitted(points.numpy())), [part[None] for part in tests])


def fits(results: Results) -> Iterator[tuple[int, str, str, Errors]]:
    """(dim, network, target, what was measured) of every fit that `fit_boxes` made of one output."""
    for r in results:
        each = r.value.items() if "helix" not in r.value else ()
        yield from ((r.options["dim"], r.options["network"], target, measured) for target, measured in each)


def mean_errors(results: Results, targets: Sequence[str]) -> dict[tuple[int, str, str], float]:
    """By (dim, network, target), the mean error outside."""
    return {(dim, net, t): mean(measured["outside"]) for dim, net, t, measured in fits(results) if t in targets}


def error_table(results: Results, nearest: dict[str, Errors]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Head and rows, errors inside / outside: a row for each network, and `nearest` rows, a column for each target."""
    rows: dict[str, Errors] = {}
    for r in results:
        rows.setdefault(r.options["network"], {}).update(r.value)
    rows |= nearest
    targets = tuple(dict.fromkeys(target for row in rows.values() for target in row))
    texts = {name: {t: spreads(e["inside"], e["outside"]) for t, e in row.items()} for name, row in rows.items()}
    return ("network", *targets), tuple((name, *(row.get(t, "") for t in targets)) for name, row in texts.items())


def draw_fits(axes: Any, target: str, curves: dict[str, list[list[float]]]) -> None:
    """Draw a target of one variable over twice its box, whose edges are dashed, and the band of each network's fits."""
    box = TARGETS[target].train_range[1]
    x = [box * (i / 20 - 2) for i in range(81)]
    y = TARGETS[target].function(torch.tensor(x)[:, None])[:, 0].tolist()
    axes.plot(x, y, color="black", label="target", lw=3, alpha=0.4)
    for name, style in categories(list(curves)).items():
        band(axes, x, curves[name], name, without_marker(style))
    margin = (max(y) - min(y)) / 2
    axes.set(title=target, xlabel="x", ylabel="f(x)", ylim=(min(y) - margin, max(y) + margin))
    for edge in (-box, box):
        axes.axvline(edge, color="grey", ls="--", lw=0.8)
