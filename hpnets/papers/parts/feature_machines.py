"""Kernel machines of images by the names of networks, the attacks on them, and how robust their eigenfeatures are."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.attacks import Box, attack
from hpnets.kernels import KernelMachine, eigenfeatures, tangent_machine, usefulness
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.ntk.metrics import top_k_mass
from hpnets.options import AttackOptions
from hpnets.papers.parts.boxed_pairs import BoxedPair, BoxedPart
from hpnets.papers.parts.sized_networks import build
from hpnets.theory import limit_kernel

Measured = dict[str, Any]
Machine = Callable[[Tensor], Tensor]
CONV = ("cnn", "pinet")
LARGEST_SIDE = 16  # pinet sees larger images at half of their resolution
BROKEN = 0.1  # a feature with less accuracy under attack
TOP, EACH = 20, 5  # how many eigenvalues count as the top, and how many features of a group are measured
GROUPS = {"0-4": (0, 5), "5-19": (5, 20), "20-59": (20, 60), "100+": (100, 10**9)}


def make_net(network: str, shape: tuple[int, ...], width: int, seed: int) -> nn.Module:
    """A network of one output on images (N, *shape), float64, in eval mode; -sum is the additive twin.

    cnn, pinet: of `width` channels, without norm; others by the names that `sized_networks.build` reads.
    """
    torch.manual_seed(seed)
    family, _, twin = network.partition("-")
    if family == "cnn":
        net = create_model("cnn", input_shape=shape, output_dim=1, width=width, norm="none")
    elif family == "pinet":
        size, halve = shape[1:], max(shape[1:]) > LARGEST_SIDE
        inner = (shape[0], *(s // 2 for s in size)) if halve else shape
        product = "sum" if twin else "hadamard"
        pinet = create_model("pinet", input_shape=inner, output_dim=1, width=width, norm="none", product=product)
        net = nn.Sequential(nn.AvgPool2d(2), pinet) if halve else pinet
    else:
        net = nn.Sequential(nn.Flatten(), build(network, math.prod(shape), width))
    return net.double().eval()


class Kernel:
    """The kernel of a network: its limit, or where `width` is not 0 its own at that width."""

    def __init__(self, network: str, pair: BoxedPair, width: int, seed: int) -> None:
        self.x, self.empirical = pair.train.x, width > 0
        self.net = make_net(network, tuple(self.x.shape[1:]), width or 1, seed).to(self.x.device)
        self.K = ntk(self.net, self.x, outputs="trace") if self.empirical else self._limit(self.x, None)
        self.features = eigenfeatures(self.K, pair.train.targets)

    def machine(self, coefficients: Tensor) -> Machine:
        """f(x) = K(x, X) c, differentiable in x."""
        if self.empirical:
            return tangent_machine(self.net, self.x, coefficients)
        return KernelMachine(self._limit, self.x, coefficients)

    def cross(self, x: Tensor) -> Tensor:
        """K(x, X), (M, N)."""
        return ntk(self.net, x, self.x, outputs="trace") if self.empirical else self._limit(x, self.x)

    def _limit(self, a: Tensor, b: Tensor | None) -> Tensor:
        return limit_kernel(self.net[1], a.flatten(1), None if b is None else b.flatten(1)).ntk  # type: ignore[index]


def accuracies(f: Machine, part: BoxedPart, box: Box, eps: float, steps: int, seed: int) -> Measured:
    """Of a classifier: clean, under noise of the radius, and under pgd."""
    noise = AttackOptions(eps, "noise", seed=seed)
    options = AttackOptions(eps, steps=steps, seed=seed)
    with torch.no_grad():
        clean = usefulness(f(part.x), part.targets).accuracy
    made = {"clean": clean, "noise": attack(f, part.x, part.y, box, noise).accuracy}
    return made | {"robust": attack(f, part.x, part.y, box, options).accuracy}


def chosen(group: tuple[int, int], rank: int) -> list[int]:
    """At most EACH ranks of a group of features, evenly spread."""
    first, last = group[0], min(group[1], rank) - 1
    count = min(EACH, last - first + 1)
    return sorted({first + round(i * (last - first) / max(1, count - 1)) for i in range(count)})


def by_rank(kernel: Kernel, part: BoxedPart, box: Box, eps: float, steps: int) -> Measured:
    """Of some features of each group: rank, accuracy and margin, clean and attacked; a list for each group."""
    made: Measured = {}
    for name, group in GROUPS.items():
        rows = [feature(kernel, i, part, box, eps, steps) for i in chosen(group, kernel.features.rank)]
        if rows:
            made[name] = {key: [row[key] for row in rows] for key in rows[0]}
    return made


def feature(kernel: Kernel, rank: int, part: BoxedPart, box: Box, eps: float, steps: int) -> Measured:
    """How useful and how robust one feature is; `step_size` is half of the radius, as its gradient hardly turns."""
    f = kernel.machine(kernel.features.coefficients([rank]))
    at = attack(f, part.x, part.y, box, AttackOptions(eps, steps=steps, step_size=0.5))
    with torch.no_grad():
        clean, attacked = (usefulness(f(x), part.targets) for x in (part.x, at.x))
    shown = {"clean": clean.accuracy, "margin": clean.margin, "robust margin": attacked.margin}
    return {"rank": rank, "robust": at.accuracy, **shown}


def gradient_map(f: Machine, part: BoxedPart) -> list[list[float]]:
    """The mean of y df/dx over samples, of the first channel, (H, W), scaled to at most 1: what f looks at."""
    x = part.x.detach().requires_grad_()
    (g,) = torch.autograd.grad((part.targets * f(x)).sum(), x)
    g = g.mean(0)[0]
    return (g / g.abs().max().clamp_min(1e-300)).round(decimals=3).tolist()


def sum_error(kernel: Kernel, x: Tensor) -> float:
    """How far the sum of all feature models is from K(x, X) K^-1 y, relative, over the kernel's condition.

    K^-1 y is that of least norm, by singular values: the linear kernel of a twin is singular on digits.
    """
    of, cross = kernel.features, kernel.cross(x)
    y = of.vectors @ of.weights
    f = cross @ torch.linalg.lstsq(kernel.K.cpu(), y.cpu(), driver="gelsd").solution.to(y)
    parts = (cross @ of.vectors) * (of.weights / of.eigenvalues[:, None]).T
    condition = float(of.eigenvalues[0] / of.eigenvalues[of.rank - 1])
    return float((f - parts[:, : of.rank].sum(1, keepdim=True)).norm() / f.norm()) / condition


def slope_error(f: Machine, x: Tensor, h: float = 1e-6) -> float:
    """The relative difference of the gradient in x and a central difference along a random direction, median over x.

    A ReLU network's own kernel jumps where a unit switches, and there alone it has no gradient.
    """
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(x)
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(f(x).sum(), x)
    with torch.no_grad():
        slopes = (f(x + h * v) - f(x - h * v))[:, 0] / (2 * h)
    along = (g * v).flatten(1).sum(1)
    return float(((along - slopes) / slopes).abs().median())


def centred(K: Tensor) -> Tensor:
    """HKH: the kernel without the mean direction."""
    return K - K.mean(0) - K.mean(1, keepdim=True) + K.mean()


def top_mass(K: Tensor) -> float:
    """sum over the top 20 of l^2 / sum l^2."""
    return top_k_mass(torch.linalg.eigvalsh(K.double()).abs().sort(descending=True).values, TOP)


def numbers_of(kernel: Kernel, pair: BoxedPair, eps: float, steps: int, seed: int) -> Measured:
    """Of a kernel: rank, top-20 mass, its machine and the top 20 features alone, and the errors of exactness."""
    test, box, of = pair.test, pair.box, kernel.features
    whole, top = (kernel.machine(of.coefficients(range(min(n, of.rank)))) for n in (of.rank, TOP))
    made: Measured = {"rank": of.rank, "mass": top_mass(kernel.K), "centred mass": top_mass(centred(kernel.K))}
    made |= {
        "whole": accuracies(whole, test, box, eps, steps, seed),
        "top": accuracies(top, test, box, eps, steps, seed),
    }
    return made | {"sum": sum_error(kernel, test.x), "slope": slope_error(whole, test.x[:20])}


def maps_of(kernel: Kernel, pair: BoxedPair, eps: float, steps: int) -> list[Measured]:
    """Mean gradients of the three top features, and of the three most useful of those that attacks break."""
    groups = by_rank(kernel, pair.test, pair.box, eps, steps).values()
    rows = [dict(zip(g, row, strict=True)) for g in groups for row in zip(*g.values(), strict=True)]
    weak = sorted((r for r in rows if r["robust"] < BROKEN), key=lambda r: -r["margin"])[:3]
    shown = [*rows[:3], *weak]
    for row in shown:
        row["map"] = gradient_map(kernel.machine(kernel.features.coefficients([row["rank"]])), pair.test)
    return shown
