"""Cells of the study: kernels over width, the witness, trained pairs, what can be learnt, shifted digits."""

import math
from typing import Any

import torch
from torch import Tensor

from hpnets.kernels import KernelPredictor
from hpnets.ntk.metrics import complexity_witness
from hpnets.papers.complex_nets.sizes import PAIRED, Sizes
from hpnets.papers.complex_pairs import TARGETS, kernel, make_net, points, relative, shifted_digits, taught
from hpnets.papers.descent import descend
from hpnets.papers.ensembles import fit, make_ensemble
from hpnets.study import Cell, grid
from hpnets.theory import limit_kernel

Measured = dict[str, Any]
BOTH = "Re z1 z2 + Re z1 conj z2 + Re z1"  # what the pairs are taught


def cells(sizes: Sizes) -> list[Cell]:
    """The cells."""
    seeds, dim = tuple(range(sizes.seeds)), sizes.dim
    made = grid(distance, network=sizes.networks, width=sizes.widths, seed=seeds, points_=sizes.points, dim=dim)
    each: Measured = {"width": sizes.witness_width, "dim": dim}
    made += grid(witness, network=sizes.witnesses, seed=seeds, nets=sizes.nets, **each)
    with_twins = (*sizes.seeing, *(f"{name}-sum" for name in sizes.seeing))
    made += grid(witness, network=with_twins, seed=seeds, nets=sizes.seeing_nets, **each)
    made += grid(witness_of_limit, network=with_twins, dim=dim)
    pair: Measured = {"dim": dim, "number": sizes.gap_points, "held": sizes.held, "steps": sizes.gap_steps}
    made += grid(gap, network=sizes.gaps, width=sizes.gap_widths, seed=seeds, **pair)
    made += grid(gap_of_limits, network=sizes.gaps, **pair)
    small: Measured = {"dim": sizes.small, "held": sizes.held, "seed": seeds}
    targets = tuple(TARGETS)[:3]
    made += grid(learnt, network=sizes.learners, target=targets, samples=list(sizes.samples), **small)
    small |= {"steps": sizes.steps, "width": sizes.width}
    made += grid(trained, network=sizes.learners, target=targets, lr=sizes.rates[0], samples=sizes.few, **small)
    made += grid(trained, network=PAIRED, target=targets[0], lr=sizes.rates, samples=sizes.many, **small)
    return made + grid(digits, network=sizes.on_images, seed=seeds, number=sizes.images)


def limit(network: str, x: Tensor, z: Tensor | None = None) -> Tensor:
    """The limit NTK of a network at [Re z; Im z]."""
    return limit_kernel(make_net(network, x.shape[1] // 2, 8).double(), x, z).ntk


def drawn(network: str, dim: int, width: int, seed: int, device: str) -> Any:
    """The network of a seed."""
    torch.manual_seed(seed)
    return make_net(network, dim, width).to(device)


def distance(network: str, width: int, seed: int, points_: int, dim: int, device: str) -> Measured:
    """|K_m - K| / |K| on points of the sphere; for an MLP and for degree 1, K is twice the real network's limit."""
    x = points(points_, dim, 0)
    reduces = network.startswith("mlp") or network.endswith("-1")
    K = 2 * limit(f"real-{network}", x) if network.startswith("mlp") else limit(f"{'real-' * reduces}{network}", x)
    return {"error": relative(kernel(drawn(network, dim, width, seed, device), x.float().to(device)).cpu(), K)}


def witness(network: str, seed: int, nets: int, width: int, dim: int, device: str) -> Measured:
    """The values of `complexity_witness` of the mean kernel of several networks."""

    def mean(x: Tensor) -> Tensor:
        each = (drawn(network, dim, width, seed * nets + i, device) for i in range(nets))
        return torch.stack([kernel(net, x.float().to(device)) for net in each]).mean(0).cpu()

    return {"values": list(complexity_witness(mean, dim).values)}


def witness_of_limit(network: str, dim: int, device: str) -> Measured:
    """The same of the limit kernel."""
    return {"values": list(complexity_witness(lambda x: limit(network, x), dim).values)}


def gap(network: str, width: int, seed: int, dim: int, number: int, held: int, steps: int, device: str) -> Measured:
    """What a complex network and the real one learnt, f_T - f_0: their difference on held-out points over |y|.

    Gradient descent on 1/(2N) sum (f - f_0 - y)^2 at the rate 1 / l_max of K / N, each of its own kernel.
    """
    x, z = (p.float().to(device) for p in (points(number, dim, 1), points(held, dim, 2)))
    y, learnt = taught(BOTH, x), []
    for name in (network, f"real-{network}"):
        net = drawn(name, dim, width, seed, device)
        with torch.no_grad():
            start, there = net(x), net(z)
        rate = number / float(torch.linalg.eigvalsh(kernel(net, x))[-1])
        descend(net, x, start + y, rate, steps, set())
        learnt.append(net(z).detach() - there)
    size = float(taught(BOTH, z).norm())
    return {"gap": float((learnt[0] - learnt[1]).norm()) / size}


def gap_of_limits(network: str, dim: int, number: int, held: int, steps: int, device: str) -> Measured:
    """The same of the two limit kernels."""
    x, z, learnt = points(number, dim, 1), points(held, dim, 2), []
    for name in (network, f"real-{network}"):
        K = limit(name, x)
        rate = number / float(torch.linalg.eigvalsh(K)[-1])
        learnt.append(limit(name, z, x) @ KernelPredictor(K, taught(BOTH, x)).descent(steps, rate).values)
    return {"gap": float((learnt[0] - learnt[1]).norm() / taught(BOTH, z).norm())}


def learnt(network: str, target: str, samples: list[int], dim: int, held: int, seed: int, device: str) -> Measured:
    """The held-out error of the limit kernel at t = infinity, for each number of samples."""
    z, errors = points(held, dim, 1000 + seed), []
    for number in samples:
        x = points(number, dim, seed)
        fitted = KernelPredictor(limit(network, x), taught(target, x)).flow(math.inf)
        errors.append(relative(limit(network, z, x) @ fitted.values, taught(target, z)))
    return {"error": errors}


def trained(
    network: str, target: str, lr: float, dim: int, held: int, seed: int, samples: int, steps: int, width: int,
    device: str,
) -> Measured:  # fmt: skip
    """The errors of a network after Adam: on its samples, on validation and on held-out points."""
    sets = [points(n, dim, 3000 * i + seed).float().to(device) for i, n in enumerate((samples, held, held))]
    ensemble = make_ensemble(lambda: make_net(network, dim, width), [seed], device)
    fit(ensemble, sets[0][None], taught(target, sets[0])[None], steps, lr)
    names = ("train", "validation", "error")
    return {n: relative(ensemble(x[None])[0].cpu(), taught(target, x).cpu()) for n, x in zip(names, sets, strict=True)}


def digits(network: str, seed: int, number: int, device: str) -> Measured:
    """The accuracy of the limit kernel at t = infinity on digits shifted at random, by their Fourier coefficients."""
    (x, y), (z, right) = shifted_digits(number, seed)
    fitted = KernelPredictor(limit(network, x), y).flow(math.inf)
    return {"accuracy": float(((limit(network, z, x) @ fitted.values).argmax(1) == right.argmax(1)).double().mean())}
