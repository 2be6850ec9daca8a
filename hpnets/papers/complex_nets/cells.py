"""Cells of the study: kernels over width, the witness, trained pairs, what can be learnt, shifted images."""

from typing import Any

import torch

from hpnets.kernels import KernelPredictor
from hpnets.papers.complex_nets.sizes import PAIRED, POLYNOMIALS, Sizes
from hpnets.papers.parts.complex_learning import BOTH, TARGETS, learnt, taught, trained
from hpnets.papers.parts.complex_pairs import drawn, kernel, limit, points
from hpnets.papers.parts.complex_witness import witness, witness_of_limit
from hpnets.papers.parts.data import check_images
from hpnets.papers.parts.descent import descend
from hpnets.papers.parts.shifted_images import shifted
from hpnets.papers.parts.wide import relative
from hpnets.study import Cell, grid

Measured = dict[str, Any]


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, first those that read files; ValueError for images that are none."""
    check_images(sizes.task)
    seeds, dim = tuple(range(sizes.seeds)), sizes.dim
    made = grid(shifted, network=sizes.on_images, images=sizes.task, seed=seeds, number=sizes.images)
    made += grid(distance, network=sizes.networks, width=sizes.widths, draws=sizes.draws, number=sizes.points, dim=dim)
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
    made += grid(trained, network=POLYNOMIALS, target=targets, lr=sizes.lr, samples=sizes.few, **small)
    return made + grid(trained, network=PAIRED, target=targets[0], lr=sizes.rates, samples=sizes.many, **small)


def distance(network: str, width: int, draws: int, number: int, dim: int, device: str) -> Measured:
    """|K_m - K| / |K| of each draw, on points of the sphere.

    K is the limit of the network itself; for an MLP twice that of the real one, and for degree 1 that of the real one.
    """
    x, own = points(number, dim, 0), not network.startswith("mlp") and not network.endswith("-1")
    K = (2 if network.startswith("mlp") else 1) * limit(network if own else f"real-{network}", x)
    nets = (drawn(network, dim, width, seed, device) for seed in range(draws))
    return {"error": [relative(kernel(net, x.float().to(device)).cpu(), K) for net in nets]}


def gap(network: str, width: int, seed: int, dim: int, number: int, held: int, steps: int, device: str) -> Measured:
    """What a complex network and the real one learnt, f_T - f_0: their difference on held-out points over |y|.

    Gradient descent on 1/(2N) sum (f - f_0 - y)^2 at the rate 1 / l_max of K / N, each of its own kernel.
    """
    x, z = (p.float().to(device) for p in (points(number, dim, 1), points(held, dim, 2)))
    y, done = taught(BOTH, x), []
    for name in (network, f"real-{network}"):
        net = drawn(name, dim, width, seed, device)
        with torch.no_grad():
            start, there = net(x), net(z)
        rate = number / float(torch.linalg.eigvalsh(kernel(net, x))[-1])
        descend(net, x, start + y, rate, steps, set())
        done.append(net(z).detach() - there)
    size = float(taught(BOTH, z).norm())
    return {"gap": float((done[0] - done[1]).norm()) / size}


def gap_of_limits(network: str, dim: int, number: int, held: int, steps: int, device: str) -> Measured:
    """The same of the two limit kernels."""
    x, z, done = points(number, dim, 1), points(held, dim, 2), []
    for name in (network, f"real-{network}"):
        K = limit(name, x)
        rate = number / float(torch.linalg.eigvalsh(K)[-1])
        done.append(limit(name, z, x) @ KernelPredictor(K, taught(BOTH, x)).descent(steps, rate).values)
    return {"gap": float((done[0] - done[1]).norm() / taught(BOTH, z).norm())}
