"""Cells of the study: kernels on the sphere, on curves with even and with random points, and finite networks."""

import math
from typing import Any

import torch
from scipy.optimize import brentq

from hpnets.ntk import ntk
from hpnets.papers.curves.sizes import Sizes
from hpnets.papers.parts.curve_kernels import even, irregular
from hpnets.papers.parts.data import check_images
from hpnets.papers.parts.descent import descend
from hpnets.papers.parts.labelled_curves import PLAIN, curves_of, points_of, wrong
from hpnets.papers.parts.sphere_kernels import limit, make_net
from hpnets.study import Cell, grid

Measured = dict[str, Any]
# The angle at which a cusp's slope is read.
NEAR = 1e-5


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, first those that read files; ValueError for images that are none."""
    check_images(sizes.task)
    depths, degrees, seeds = sizes.depths, sizes.degrees, tuple(range(sizes.seeds))
    products = "pnn", "pnn_skip", "ccp"
    made = grid(even, network="mlp", size=depths, curve=sizes.shifts, seed=seeds, points=sizes.points)
    made += grid(even, network="pnn", size=degrees, curve=sizes.shifts, seed=seeds, points=sizes.points)
    moved = {"curve": sizes.shifts, "few": sizes.few_shifts, "points": sizes.points, "draws": sizes.draws}
    made += grid(irregular, network="mlp", size=sizes.random_depths, **moved)
    made += grid(irregular, network=("pnn", "pnn-sum"), size=sizes.random_degrees, **moved)
    made += grid(decay, network="mlp", size=depths) + grid(decay, network=products, size=degrees)
    for names, values in ((("mlp",), depths), ((*products, "pnn-sum"), degrees)):
        made += grid(even, network=names, size=values, curve=PLAIN, seed=0, points=sizes.points)
        made += grid(even, network=names[:1], size=values, curve=sizes.fourier, seed=seeds, points=sizes.points)
    places = {"curve": sizes.random_curves, "few": sizes.few, "points": sizes.points, "draws": sizes.draws}
    made += grid(irregular, network="mlp", size=sizes.random_depths, **places)
    made += grid(irregular, network=(*products, "pnn-sum"), size=sizes.random_degrees, **places)
    made += grid(shape, width=sizes.widths, depth=5, seed=seeds, points=sizes.points // 2)
    net: Measured = {"seed": seeds, "held": sizes.points}
    circles: Measured = {"curve": "coaxial-0.4", "points": sizes.points, "random": False, "steps": sizes.steps}
    waves: Measured = {"curve": PLAIN[1], "points": sizes.few, "random": True, "width": sizes.tuned_width}
    waves |= {"size": 4, "lr": sizes.rates, "steps": sizes.tuned_steps}
    made += grid(trained, network="mlp", size=6, lr=0.5, width=sizes.width, **circles, **net)
    return made + grid(trained, network=("pnn", "pnn-sum"), **waves, **net)


def decay(network: str, size: int, device: str) -> Measured:
    """The kernel k(v) at unit diagonal over angles v: its slope -k'(0), and where half of its fall to k(pi) is done."""

    def k(*v: float) -> list[float]:
        t = torch.tensor((0.0, *v), dtype=torch.float64)
        x = torch.stack([t.cos(), t.sin(), 0 * t], 1)
        K = limit(network, size, x[:1], x)[0]
        return (K[1:] / K[0]).tolist()

    middle = (1 + k(math.pi)[0]) / 2
    half = brentq(lambda v: k(v)[0] - middle, 0, math.pi, xtol=1e-6)
    return {"slope": (1 - k(NEAR)[0]) / NEAR, "half_width": half, "k": k(*(math.pi * i / 60 for i in range(61)))}


def shape(width: int, depth: int, seed: int, points: int, device: str) -> Measured:
    """How far the kernel of a finite network's hidden layers is from psi, both at unit diagonal, on even sinusoids.

    "error": the root mean square of the difference; "relative": its norm over that of psi.
    """
    x, _ = points_of(curves_of(PLAIN[1], 0), points)
    torch.manual_seed(seed)
    net = make_net("mlp", depth, x.shape[1], width).to(device)
    hidden = {name: p.detach() for name, p in net.named_parameters() if name.startswith("W")}
    K, psi = ntk(net, x.float().to(device), outputs="trace", params=hidden).cpu().double(), limit("mlp", depth, x)
    size, psi = K.diagonal().sqrt(), psi / psi[0, 0]
    off = float((K / size / size[:, None] - psi).norm())
    return {"error": off / len(K), "relative": off / float(psi.norm())}


def trained(
    network: str, size: int, lr: float, steps: int, curve: str, points: int, random: bool, width: int, seed: int,
    held: int, device: str,
) -> Measured:  # fmt: skip
    """The held-out errors in % of a network after descent on 1/(2N) sum (f - y)^2 at the rate lr / lambda_max(K / N).

    "validation" and "error" are of two sets of even points.
    """
    curves = curves_of(curve, 0)
    sets = (
        points_of(curves, points, seed=seed if random else None),
        *(points_of(curves, held, p) for p in (0.25, 0.5)),
    )
    (x, y), *tests = ((z.float().to(device), right.float().to(device)) for z, right in sets)
    torch.manual_seed(seed)
    net = make_net(network, size, x.shape[1], width).to(device)
    largest = float(torch.linalg.eigvalsh(ntk(net, x, outputs="trace").double())[-1])
    descend(net, x, y, lr * len(x) / largest, steps, set())
    return {name: wrong(net(z), right) for name, (z, right) in zip(("validation", "error"), tests, strict=True)}
