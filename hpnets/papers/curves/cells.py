"""Cells of the study: kernels on the sphere, on curves with even and with random points, and finite networks."""

import math
from functools import cache
from typing import Any

import torch
from scipy.optimize import brentq
from torch import Tensor, nn

from hpnets.kernels import KernelPredictor
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.papers.curves.sizes import Sizes
from hpnets.study import Cell, grid
from hpnets.tasks.curves import Curves, even_parameters, make_curves
from hpnets.theory import angle_kernel, angles, certificate, limit_kernel

Measured = dict[str, Any]
Points = tuple[Tensor, Tensor]
PLAIN = ("coaxial-0.1", "sinusoid-0.24")
# The most steps that are tried, and the angle at which a cusp's slope is read.
MOST, NEAR = 1000, 1e-5


def cells(sizes: Sizes) -> list[Cell]:
    """The cells."""
    depths, degrees, seeds = sizes.depths, sizes.degrees, tuple(range(sizes.seeds))
    products, drawn = ("pnn", "pnn_skip", "ccp"), fourier(sizes.fourier)
    made = grid(decay, network="mlp", size=depths) + grid(decay, network=products, size=degrees)
    for names, values in ((("mlp",), depths), ((*products, "pnn-sum"), degrees)):
        made += grid(even, network=names, size=values, curve=PLAIN, seed=0, points=sizes.points)
        made += grid(even, network=names[:1], size=values, curve=drawn, seed=seeds, points=sizes.points)
    places = {"curve": random_curves(sizes), "few": sizes.few, "points": sizes.points, "draws": sizes.draws}
    made += grid(irregular, network="mlp", size=sizes.random_depths, **places)
    made += grid(irregular, network=(*products, "pnn-sum"), size=sizes.random_degrees, **places)
    made += grid(shape, width=sizes.widths, depth=5, seed=seeds, points=sizes.points // 2)
    net: Measured = {"width": sizes.width, "seed": seeds, "held": sizes.points}
    circles: Measured = {"curve": "coaxial-0.4", "points": sizes.points, "spacing": "even", "steps": sizes.steps}
    waves: Measured = {"curve": PLAIN[1], "points": sizes.few, "spacing": "random", "steps": sizes.tuned_steps}
    made += grid(trained, network="mlp", size=6, lr=0.5, **circles, **net)
    return made + grid(trained, network=("pnn", "pnn-sum"), size=4, lr=sizes.rates, **waves, **net)


def fourier(degrees: tuple[int, ...]) -> tuple[str, ...]:
    """The names of Fourier curves."""
    return tuple(f"fourier-{degree}" for degree in degrees)


def random_curves(sizes: Sizes) -> tuple[str, ...]:
    """The curves of which random points are drawn."""
    return (*PLAIN, *fourier(sizes.random_fourier))


@cache  # that they do not meet is checked once
def curves_of(curve: str, seed: int) -> Curves:
    """The curves "coaxial-S" or "sinusoid-S" at the separation S, or "fourier-D" of degree D, which are drawn."""
    name, number = curve.split("-")
    if name == "fourier":
        return make_curves(name, degree=int(number), seed=seed)
    return make_curves(name, separation=float(number))


def limit(network: str, size: int, x: Tensor, z: Tensor | None = None) -> Tensor:
    """psi of depth `size` for "mlp", else the limit NTK of a model of that degree; x and z on the unit sphere.

    ccp is made for inputs of unit mean square, the others for unit norm.
    """
    if network == "mlp":
        return angle_kernel(angles(x, z), size)
    scale = x.shape[1] ** 0.5 if network == "ccp" else 1.0
    net = make_net(network, size, x.shape[1], 1)
    return limit_kernel(net, scale * x, None if z is None else scale * z).ntk


def make_net(network: str, size: int, inputs: int, width: int) -> nn.Module:
    """An mlp of depth `size` in the ntk parametrisation, or a model of degree `size`, or, with "-sum", its twin."""
    name, _, twin = network.partition("-")
    products: Measured = {"degree": size, "product": twin or "hadamard"}
    options = {"depth": size, "bias": False, "parametrisation": "ntk"} if name == "mlp" else products
    return create_model(name, input_shape=(inputs,), output_dim=1, width=width, **options)


def even_points(curves: Curves, n: int, phase: float = 0.0) -> Points:
    """n even points of each curve, and labels +-1 (N, 1)."""
    return with_labels([curve(even_parameters(n, phase)) for curve in curves])


def random_points(curves: Curves, n: int, seed: int) -> Points:
    """n points of each curve at random parameters, and labels +-1 (N, 1)."""
    t = 2 * math.pi * torch.rand(2, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return with_labels([curve(part) for curve, part in zip(curves, t, strict=True)])


def with_labels(parts: list[Tensor]) -> Points:
    """Both curves' points (N, d), and labels +-1 (N, 1)."""
    return torch.cat(parts), torch.tensor([[1.0], [-1.0]], dtype=torch.float64).repeat_interleave(len(parts[0]), 0)


def wrong(f: Tensor, y: Tensor) -> float:
    """The share of points that are not on the right side, in %."""
    return 100 * float((~(f * y > 0)).double().mean())


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


def even(network: str, size: int, curve: str, seed: int, points: int, device: str) -> Measured:
    """Even points: the certificate's norm, raw and at unit diagonal (None if K is singular), the rank of K, and steps.

    "steps": of gradient descent from 0 until no held-out point is wrong; None if that takes more than MOST.
    """
    curves = curves_of(curve, seed)
    (x, y), (z, right) = even_points(curves, points), even_points(curves, points, 0.5)
    K, cross = limit(network, size, x), limit(network, size, z, x)
    l, diagonal = torch.linalg.eigvalsh(K), float(K[0, 0])
    rank = int((l > len(l) * torch.finfo(l.dtype).eps * l[-1]).sum())
    norm = certificate(K, y[:, 0]).norm if rank == len(K) else None
    predictor, rate = KernelPredictor(K, y), len(K) / (2 * float(l[-1]))
    errors = (wrong(cross @ predictor.descent(s, rate).values, right) for s in range(1, MOST + 1))
    steps = next((s for s, error in enumerate(errors, 1) if error == 0), None)
    return {"raw": norm, "unit": norm and norm * diagonal, "rank": rank, "steps": steps}


def irregular(network: str, size: int, curve: str, few: int, points: int, draws: int, device: str) -> Measured:
    """Random points: the held-out error in % at t = infinity, of each draw."""
    errors = []
    for seed in range(draws):
        curves = curves_of(curve, seed if curve.startswith("fourier") else 0)
        (x, y), (z, right) = random_points(curves, few, seed), even_points(curves, points)
        regression = KernelPredictor(limit(network, size, x), y).flow(math.inf)
        errors.append(wrong(limit(network, size, z, x) @ regression.values, right))
    return {"error": errors}


def shape(width: int, depth: int, seed: int, points: int, device: str) -> Measured:
    """How far the kernel of a finite network's hidden layers is from psi, both at unit diagonal, on even sinusoids.

    "error": the root mean square of the difference; "relative": its norm over that of psi.
    """
    x, _ = even_points(curves_of(PLAIN[1], 0), points)
    torch.manual_seed(seed)
    net = make_net("mlp", depth, x.shape[1], width).to(device)
    hidden = {name: p.detach() for name, p in net.named_parameters() if name.startswith("W")}
    K, psi = ntk(net, x.float().to(device), outputs="trace", params=hidden).cpu().double(), limit("mlp", depth, x)
    size, psi = K.diagonal().sqrt(), psi / psi[0, 0]
    off = float((K / size / size[:, None] - psi).norm())
    return {"error": off / len(K), "relative": off / float(psi.norm())}


def trained(
    network: str, size: int, lr: float, steps: int, curve: str, points: int, spacing: str, width: int, seed: int,
    held: int, device: str,
) -> Measured:  # fmt: skip
    """Train a finite network on 1/(2N) sum (f - y)^2 by descent at lr / lambda_max(K / N): held-out errors in %.

    "validation" and "error", of two sets of even points, at the end; "first": the first step at which "error" was 0.
    """
    curves = curves_of(curve, 0)
    train = even_points(curves, points) if spacing == "even" else random_points(curves, points, seed)
    sets = (train, even_points(curves, held, 0.25), even_points(curves, held, 0.5))
    (x, y), validation, test = ((a.float().to(device), b.float().to(device)) for a, b in sets)
    torch.manual_seed(seed)
    net = make_net(network, size, x.shape[1], width).to(device)
    largest = float(torch.linalg.eigvalsh(ntk(net, x, outputs="trace").double())[-1])
    optimizer = torch.optim.SGD(net.parameters(), lr * len(x) / largest)
    first = None
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        ((net(x) - y).square().mean() / 2).backward()
        optimizer.step()
        if first is None and error_of(net, test) == 0:
            first = step
    return {"validation": error_of(net, validation), "error": error_of(net, test), "first": first}


@torch.no_grad()
def error_of(net: nn.Module, points: Points) -> float:
    """The share of points that are not on the right side, in %."""
    return wrong(net(points[0]), points[1])
