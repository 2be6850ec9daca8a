"""Cells of the study: kernels by regression on labels, kernels by the hierarchy, trained networks."""

from collections.abc import Sequence
from typing import Any

from hpnets.papers.label_aware.sizes import PRODUCTS, STRENGTHS, Sizes
from hpnets.papers.parts.elastic_nets import drawn, trained
from hpnets.papers.parts.hierarchy_runs import compare
from hpnets.papers.parts.image_pairs import image_pair
from hpnets.papers.parts.labelled_kernels import regression
from hpnets.study import Cell, grid

Measured = dict[str, Any]


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, those of most work first."""
    seeds = tuple(range(sizes.seeds))
    run: Measured = {"seed": seeds, "held": sizes.held, "probe": sizes.probe, "steps": sizes.steps}
    conv: Measured = {"images": sizes.conv_images, "epochs": sizes.conv_epochs, "side": sizes.side, **run}
    made = grid(trained, network=with_twins(sizes.convolutional), pair=sizes.conv_pairs, lr=sizes.conv_rates, **conv)
    flat: Measured = {"images": sizes.images, "epochs": sizes.epochs, "side": 0, **run}
    names = ("mlp", *with_twins(PRODUCTS))
    made += grid(trained, network=names, pair=sizes.trained_pairs, lr=sizes.rates, **flat)
    few: Measured = {"draws": sizes.draws, "points": sizes.points, "side": 8}
    made += grid(hierarchy, pair=sizes.hierarchy_pairs, width=sizes.widths, seed=seeds, **few)
    many: Measured = {"seed": tuple(range(sizes.kernel_seeds)), "samples": sizes.samples, "held": sizes.held}
    many["strengths"] = list(STRENGTHS)
    return made + grid(regression, network=sizes.networks, pair=sizes.pairs, **many)


def with_twins(networks: Sequence[str]) -> tuple[str, ...]:
    """Each network, and its additive twin after it."""
    return tuple(f"{name}{twin}" for name in networks for twin in ("", "-sum"))


def hierarchy(pair: str, width: int, seed: int, draws: int, points: int, side: int, device: str) -> Measured:
    """`hierarchy_runs.compare` of networks drawn for this seed, on images less the mean of the training images."""
    train_part, _, other = image_pair(pair, (points, 2, points), seed, side)
    middle = train_part.x.mean(0)
    parts = [p._replace(x=(p.x - middle).double().to(device)) for p in (train_part, other)]
    shape, seeds = parts[0].x.shape[1:], (seed * draws + i for i in range(draws))
    nets = [drawn("tanh", shape, s, width=width).double().to(device).eval() for s in seeds]
    return compare(nets, *parts)
