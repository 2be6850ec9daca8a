"""Cells of the memorisation study: smallest eigenvalues, ranks, training on labels that are noise."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.linalg import spectrum
from hpnets.ntk import lambda_min, ntk, singular_values
from hpnets.papers.data import check_images
from hpnets.papers.memorisation.sizes import Sizes
from hpnets.papers.memory import train_to_memorise
from hpnets.papers.sized_networks import build, parameters, rank_bound, square_dim, width_of, with_unit_readout
from hpnets.study import Cell, grid
from hpnets.tasks import create_task
from hpnets.theory import limit_kernel

Measured = dict[str, Any]
# Above this a Jacobian is not decomposed: the eigenvalues of its kernel are far from rounding there.
JACOBIAN = "48MiB"


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, first those that read files; ValueError for images that are none."""
    check_images(sizes.task)
    seeds = tuple(range(sizes.seeds))
    pixels = {"images": sizes.task, "width": sizes.pixel_width, "seed": seeds}
    made = grid(on_pixels, network=sizes.pixel_networks, samples=sizes.pixel_samples, **pixels)
    made += grid(smallest, network=sizes.networks, dim=sizes.dim, samples=sizes.samples, ratio=sizes.ratios, seed=seeds)
    square: dict[str, Any] = {"dim": 0, "samples": sizes.square_samples, "seed": seeds}
    made += grid(smallest, network="mlp-sigmoid", ratio=sizes.square_ratios, **square)
    made += grid(smallest, network=sizes.edge_networks, ratio=sizes.edge_ratios, **square)
    rank: dict[str, Any] = {"dim": sizes.rank_dims, "widths": list(sizes.rank_widths), "points": sizes.rank_points}
    made += grid(ranks, network=sizes.rank_networks, seed=seeds, **rank)
    adam: dict[str, Any] = {"widths": list(sizes.widths), "seeds": list(seeds), "steps": sizes.steps}
    first = sizes.trained_dims[0]
    made += grid(memorise, network=sizes.trained, dim=sizes.trained_dims, samples=sizes.labels, rate=1.0, **adam)
    made += grid(memorise, network=sizes.tuned, dim=first, samples=sizes.labels, rate=sizes.rates, **adam)
    made += grid(memorise, network=sizes.mapped, dim=first, samples=sizes.map_labels, rate=1.0, **adam)
    return made + grid(on_sphere, network=sizes.limits, dim=sizes.sphere_dims, samples=sizes.sphere_samples, seed=seeds)


def points(dim: int, samples: int, seed: int, where: str = "gaussian") -> tuple[Tensor, Tensor]:
    """x (samples, dim) and y (samples, 1) of the `gaussian_points` task."""
    task = create_task("gaussian_points", dim=dim, points=where, train_size=samples, batch_size=samples, seed=seed)
    task.setup()
    return task.train_set.batch(range(samples))


def make_net(network: str, dim: int, width: int, seed: int) -> nn.Module:
    """The network, drawn on the CPU by its seed."""
    torch.manual_seed(seed)
    return build(network, dim, width)


def smallest(network: str, dim: int, samples: int, ratio: float, seed: int, device: str) -> Measured:
    """lambda_min of a network with at most ratio * samples parameters, read-out N(0, 1), on Gaussian points.

    dim: of the points; 0 is the paper's shape, d-d-d-1, and the d of such an MLP for the other networks.
    """
    d = dim or square_dim(ratio * samples)
    width = width_of(network, d, ratio * samples if dim else d * (2 * d + 1))
    net = with_unit_readout(make_net(network, d, width, seed)).double().to(device)
    x, _ = points(d, samples, seed)
    made = {"dim": d, "width": width, "parameters": parameters(network, d, width)}
    return made | measured(net, x.double().to(device))


def measured(net: nn.Module, x: Tensor) -> Measured:
    """lambda_min with its error, and whether it is 0 by counting or rounding; lambda_max; the stored kernel's least."""
    l = lambda_min(net, x, outputs="trace", memory=JACOBIAN)
    stored = float(torch.linalg.eigvalsh(ntk(net, x, outputs="trace"))[0])
    shown = {"min": l.smallest, "error": l.error, "singular": l.singular, "noise": l.noise}
    return {**shown, "max": l.largest, "stored": stored}


def ranks(network: str, dim: int, widths: list[int], points: int, seed: int, device: str) -> Measured:
    """The rank of the NTK on Gaussian points in float64, and the rank predicted, at each width."""
    x = torch.randn(points, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(device)
    nets = [make_net(network, dim, width, seed).double().to(device) for width in widths]
    seen = [singular_values(net, x, outputs="trace").rank for net in nets]
    return {"rank": seen, "predicted": [rank_bound(network, *each, x) for each in zip(widths, nets, strict=True)]}


def memorise(
    network: str, dim: int, samples: int, rate: float, widths: list[int], seeds: list[int], steps: int, device: str
) -> Measured:
    """Adam on N(0, 1) labels, all widths at once: by width P and, of each seed, the error and the rank at the start."""
    members = [(width, seed) for width in widths for seed in seeds]
    nets = [make_net(network, dim, *member) for member in members]
    x, y = (torch.stack(part).to(device) for part in zip(*(points(dim, samples, s) for _, s in members), strict=True))
    by_width = [part.view(len(widths), -1).tolist() for part in train_to_memorise(nets, x, y, steps, rate)]
    sizes = [parameters(network, dim, width) for width in widths]
    return {"loss": by_width[0], "rank": by_width[1], "parameters": sizes}


def on_sphere(network: str, dim: int, samples: int, seed: int, device: str) -> Measured:
    """lambda_min of the limit kernel on uniform points of the unit sphere, and the bound by the nearest pair of points.

    lambda_min <= v^T K v = (K_ii + K_jj) / 2 - K_ij for v = (e_i - e_j) / sqrt(2), every pair i, j.
    """
    x = torch.nn.functional.normalize(points(dim, samples, seed, "sphere")[0].double()).to(device)
    # The networks divide x by the root of the dimension.
    K = limit_kernel(make_net(network, dim, 1, 0), dim**0.5 * x).ntk
    own = K.diagonal()
    pairs = (own[:, None] + own) / 2 - K
    i, j = torch.triu_indices(samples, samples, 1)
    of = spectrum(K)
    return {
        "min": float(of.eigenvalues[-1]),
        "error": of.floor,
        "bound": float(pairs[i, j].min()),
        "nearest": float((x[i] - x[j]).norm(dim=1).min()),
    }


def on_pixels(network: str, images: str, width: int, samples: int, seed: int, device: str) -> Measured:
    """lambda_min of a network with read-out N(0, 1) on random training images, standardised and flattened."""
    task = create_task(images, seed=seed)
    task.setup()
    x = task.probe(samples).x.flatten(1).double().to(device)
    net = with_unit_readout(make_net(network, x.shape[1], width, seed)).double().to(device)
    return {"parameters": parameters(network, x.shape[1], width)} | measured(net, x)
