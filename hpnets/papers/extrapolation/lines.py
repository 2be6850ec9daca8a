"""Cells on named functions: fit on a box or a ring, measure outside."""

import math
from functools import partial
from typing import Any

import torch
from numpy.polynomial import Chebyshev
from torch import Tensor

from hpnets.papers.ensembles import far_degree, fit, make_ensemble, relative_error
from hpnets.papers.networks import build
from hpnets.tasks import create_task
from hpnets.tasks.held_out import ring
from hpnets.tasks.targets import TARGETS

DRAWN = ("cubic", "cos2x")
STATED_POINTS, STATED_BATCH = 2048, 512
Errors = dict[str, Any]


def fit_lines(
    network: str, targets: list[str], dim: int, seeds: list[int], width: int, points: int, steps: int, device: str
) -> Errors:
    """Fit targets of one output size on their boxes, in units of the box and of y's standard deviation.

    By target, of each seed: "inside" and "outside", RMSE / standard deviation of y there; "degree", the slope of
    log |f(t v)| on log t, t in [1e3, 1e4] half boxes; in one dimension, for the targets in DRAWN, "curve", f.
    """
    members = [(target, seed) for target in targets for seed in seeds]
    data = [line_data(target, dim, seed, points) for target, seed in members]
    x, y, x_in, y_in, x_out, y_out = (torch.stack(part).to(device) for part in zip(*data, strict=True))
    ensemble = make_ensemble(partial(build, network, dim, y.shape[2], width), [seed for _, seed in members], device)
    mean, std = y.mean(1, keepdim=True), y.std(1, keepdim=True)
    if network.startswith("pnn-"):
        mean = torch.zeros_like(mean)  # it is homogeneous, so 0 at x = 0: it cannot learn a constant
    fit(ensemble, x, (y - mean) / std, steps, lr=0.01)
    errors = {
        "inside": relative_error(ensemble(x_in) * std + mean, y_in),
        "outside": relative_error(ensemble(x_out) * std + mean, y_out),
        "degree": far_degree(ensemble, dim, device),
    }
    n = len(seeds)
    made = {t: {k: v[i * n : (i + 1) * n].tolist() for k, v in errors.items()} for i, t in enumerate(targets)}
    if dim == 1:
        grid = torch.linspace(-2, 2, 81, device=device).view(1, -1, 1).expand(len(members), -1, -1)
        f = ensemble(grid) * std + mean
        for i, t in enumerate(targets):
            if t in DRAWN:
                made[t]["curve"] = [[round(v, 4) for v in row] for row in f[i * n : (i + 1) * n, :, 0].tolist()]
    return made


def line_data(target: str, dim: int, seed: int, points: int, in_units: bool = True) -> tuple[Tensor, ...]:
    """x, y of training, inside and outside, by the `line` task; x in units of half the training box, or as it is."""
    task = create_task("line", target=target, input_dim=dim, train_size=points, seed=seed)
    task.setup()
    unit = TARGETS[target].train_range[1] if in_units else 1.0
    parts = [s.batch(range(len(s))) for s in (task.train_set, task.val_set, task.test_set)]
    return tuple(tensor for x, y in parts for tensor in (x / unit, y))


def polynomials(targets: list[str], seeds: list[int], points: int, device: str) -> Errors:
    """Least squares: the polynomial of degree 2..10 nearest to the same points; by target and degree, as above."""
    made: Errors = {}
    for target in targets:
        data = [[t.double() for t in line_data(target, 1, seed, points)] for seed in seeds]
        for degree in range(2, 11):
            errors = [least_squares(degree, *parts) for parts in data]
            inside, outside = zip(*errors, strict=True)
            made.setdefault(target, {})[str(degree)] = {"inside": inside, "outside": outside}
    return made


def least_squares(degree: int, x: Tensor, y: Tensor, *tests: Tensor) -> list[float]:
    """Relative errors, inside and outside, of the least-squares polynomial."""
    fitted = Chebyshev.fit(x[:, 0].numpy(), y[:, 0].numpy(), degree, domain=[-1, 1])
    x_in, y_in, x_out, y_out = tests
    f_in, f_out = (torch.from_numpy(fitted(part.numpy())) for part in (x_in, x_out))
    return [float(relative_error(f[None], part[None])[0]) for f, part in ((f_in, y_in), (f_out, y_out))]


def paper_setting(
    network: str, target: str, seeds: list[int], width: int, epochs: int, lr: float, device: str
) -> Errors:
    """Adam at a constant rate, weight decay 1e-3, on x and y as they are: relative errors before and after."""
    data = [line_data(target, 1, seed, STATED_POINTS, in_units=False) for seed in seeds]
    x, y, x_in, y_in, x_out, y_out = (torch.stack(part).to(device) for part in zip(*data, strict=True))
    ensemble = make_ensemble(partial(build, network, 1, 1, width), seeds, device)
    before = relative_error(ensemble(x_in), y_in)
    fit(
        ensemble,
        x,
        y,
        epochs * STATED_POINTS // STATED_BATCH,
        lr,
        weight_decay=1e-3,
        batch=STATED_BATCH,
        constant_lr=True,
    )
    after = {"inside": relative_error(ensemble(x_in), y_in), "outside": relative_error(ensemble(x_out), y_out)}
    return {"before": before.tolist(), **{key: value.tolist() for key, value in after.items()}}


def missing_sector(
    network: str, target: str, missing: int, seeds: list[int], width: int, points: int, steps: int, device: str
) -> Errors:
    """Train on the ring 1/2 <= |x| <= 1 of the plane without a sector of `missing` degrees; test at |x| = 2.

    "covered", "missing": the error of each seed in the directions seen and not seen, as RMSE / standard deviation of y
    on the whole circle (for missing = 0 the second is that of the directions within 45 degrees of the axis).
    """
    function = TARGETS[target].function
    x = torch.stack([ring(points, missing, seed) for seed in seeds]).to(device)
    angle = torch.linspace(0, 2 * math.pi, 361)[:-1]
    test = 2 * torch.stack([angle.cos(), angle.sin()], 1).to(device)
    y, y_test = torch.stack([function(row) for row in x]), function(test)
    ensemble = make_ensemble(partial(build, network, 2, 1, width), seeds, device)
    std = y.std(1, keepdim=True)
    fit(ensemble, x, y / std, steps, lr=0.01)
    error = (ensemble(test.expand(len(seeds), -1, -1)) * std - y_test).squeeze(2).square() / y_test.var()
    hidden = torch.cos(angle) > math.cos(math.radians((missing or 90) / 2))
    return {
        "covered": error[:, ~hidden if missing else slice(None)].mean(1).sqrt().tolist(),
        "missing": error[:, hidden].mean(1).sqrt().tolist(),
    }
