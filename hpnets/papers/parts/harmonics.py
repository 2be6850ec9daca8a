"""Training on a sum of zonal harmonics on the sphere, by a network or by its kernel: what is left of each harmonic."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.kernels import KernelPredictor
from hpnets.ntk import ntk
from hpnets.papers.parts.descent import descend_from_start, top_eigenvalue
from hpnets.statistics import half_time, mean
from hpnets.study import Results
from hpnets.study.charts import band, shades, without_marker
from hpnets.tasks.sphere import SphereTask
from hpnets.theory import multiplicity, zonal_coefficients

Measured = dict[str, Any]
ByHarmonic = dict[int, list[float]]
HARMONICS = (1, 3, 4, 5, 8, 12)
# Times of training are t = 2 lr steps, in which a component of kernel eigenvalue l falls as exp(-l t / n).
GRID = 121
SHARES = (0.03, 0.1, 0.25, 0.5, 0.75, 1)


def sphere_data(dim: int, samples: int, seed: int, device: str) -> tuple[Tensor, ...]:
    """x, y of training and of test (both `samples`), and the direction u, of the `sphere` task."""
    sizes = {"train_size": samples, "test_size": samples, "batch_size": samples}
    task = SphereTask(dim=dim, degrees=HARMONICS, seed=seed, **sizes)
    task.setup()
    parts = [s.batch(range(len(s))) for s in (task.train_set, task.test_set)]
    return *(tensor.to(device) for part in parts for tensor in part), task.direction.to(device)


def train_linearised(net: nn.Module, data: tuple[Tensor, ...]) -> Measured:
    """Training of f - f0 with the network's own kernel at initialisation held fixed, at times t = 2 lr steps.

    data: those of `sphere_data`. "train", "test": at each time, what is left of each harmonic, the zonal coefficient of
    y - f over that of y. "lambda_max" is that of K / n. "start" is the root mean square of f0, "size" that of y.
    """
    x, y, x_test, y_test, u = data
    K, cross = ntk(net, x, outputs="trace"), ntk(net, x_test, x, outputs="trace")
    predictor, top = KernelPredictor(K, y), top_eigenvalue(K)
    times = [10 ** (-2 + 11 * i / (GRID - 1)) / top for i in range(GRID)]
    train, test = [], []
    for t in times:
        c = predictor.flow(t)
        train.append(left(y.double() - predictor.test(c, K), x, y, u))
        test.append(left(y_test.double() - predictor.test(c, cross), x_test, y_test, u))
    with torch.no_grad():
        start = float(net(x).square().mean().sqrt())
    size = float(y.square().mean().sqrt())
    return {"times": times, "train": train, "test": test, "lambda_max": top, "start": start, "size": size}


def left(residual: Tensor, x: Tensor, y: Tensor, u: Tensor) -> list[float]:
    """Zonal coefficients of the residual in units of those of y."""
    r, whole = (zonal_coefficients(v, x, u, HARMONICS)[:, 0] for v in (residual, y))
    return (r / whole).tolist()


def train_network(net: nn.Module, data: tuple[Tensor, ...], steps: int, at_once: float) -> Measured:
    """Full-batch gradient descent of f - f0 on the mean squared error, lr = at_once / lambda_max of K / n.

    At the step numbers steps * SHARES: "train", what is left of each harmonic, "linear", the same with the kernel of
    the start.
    """
    x, y, *_, u = data
    K = ntk(net, x, outputs="trace")
    lr = at_once / top_eigenvalue(K)
    record = sorted({max(1, round(steps * share)) for share in SHARES})
    seen = descend_from_start(net, x, y, lr, steps, record)
    predictor = KernelPredictor(K, y)
    linear = [y.double() - predictor.test(predictor.descent(s, 2 * lr), K) for s in record]
    train = [left(y - f, x, y, u) for f in seen]
    return {"lr": lr, "steps": record, "train": train, "linear": [left(r, x, y, u) for r in linear]}


def off_linear(measured: Measured) -> float:
    """The greatest difference between network and kernel in what `train_network` measured."""
    pairs = zip(measured["train"], measured["linear"], strict=True)
    return max(abs(a - b) for f, g in pairs for a, b in zip(f, g, strict=True))


def halves(of: Results, part: str = "train") -> ByHarmonic:
    """For each harmonic, the time at which half is left on the points of `part`, of each linearised network."""
    cells = of.values()
    return {k: [half_time(c["times"], [row[i] for row in c[part]]) for c in cells] for i, k in enumerate(HARMONICS)}


def predicted_halves(eigenvalues: list[float]) -> dict[int, float]:
    """By k, t at which half of the harmonic is left, log 2 / lambda_k; without k whose lambda_k is 0 to rounding."""
    return {k: math.log(2) / eigenvalues[k] for k in HARMONICS if eigenvalues[k] > 1e-14 * eigenvalues[0]}


def over_predicted(times: ByHarmonic, eigenvalues: list[float]) -> ByHarmonic:
    """Times at which half was left over those that the eigenvalues predict, for each k that has a prediction."""
    return {k: [t / half for t in times[k]] for k, half in predicted_halves(eigenvalues).items()}


def in_order(times: ByHarmonic) -> list[bool]:
    """Of each network, whether harmonics of lower degree were learnt first."""
    return [column == tuple(sorted(column)) for column in zip(*times.values(), strict=True)]


def few(dim: int, samples: int) -> list[int]:
    """The k of which there are fewer harmonics than samples, so that the points can tell them apart."""
    return [k for k in HARMONICS if multiplicity(k, dim) < samples]


def generalising(of: Results) -> list[int]:
    """The k of which half goes on held-out points too, in every linearised network; the others are memorised.

    The cells have options dim and samples; a degree with more harmonics than there are points is memorised: points
    cannot tell it apart.
    """
    options, times = of.items[0].options, halves(of, "test")
    return [k for k in few(options["dim"], options["samples"]) if all(map(math.isfinite, times[k]))]


def draw_left(axes: Any, of: Results, unit: float) -> None:
    """Draw what linearised networks leave of each harmonic on training points, over times of `unit` steps each."""
    cells = of.values()
    # The times of the seeds' grids differ by their lambda_max, a per cent or so.
    steps = [mean(times) * unit for times in zip(*(c["times"] for c in cells), strict=True)]
    for i, (k, style) in enumerate(shades(HARMONICS).items()):
        band(axes, steps, [[row[i] for row in c["train"]] for c in cells], f"k = {k}", without_marker(style))
    axes.set(xlabel="steps", ylabel="left, of 1", xscale="log", ylim=(-0.1, 1.1))
