"""Cells of the memorisation study: smallest eigenvalues, ranks, training on labels that are noise, the sphere."""

from typing import Any

import torch

from hpnets.linalg import eigenvalues
from hpnets.ntk import singular_values
from hpnets.papers.memorisation.sizes import Sizes
from hpnets.papers.parts.data import check_images
from hpnets.papers.parts.least_eigenvalues import on_pixels, smallest
from hpnets.papers.parts.memory import memorise
from hpnets.papers.parts.sized_networks import drawn, noise_points, rank_bound
from hpnets.study import Cell, grid
from hpnets.theory import limit_kernel

Measured = dict[str, Any]


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


def ranks(network: str, dim: int, widths: list[int], points: int, seed: int, device: str) -> Measured:
    """The rank of the NTK on Gaussian points in float64, and the rank predicted, at each width."""
    x = torch.randn(points, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(device)
    nets = [drawn(network, dim, width, seed).double().to(device) for width in widths]
    seen = [singular_values(net, x, outputs="trace").rank for net in nets]
    return {"rank": seen, "predicted": [rank_bound(network, *each, x) for each in zip(widths, nets, strict=True)]}


def on_sphere(network: str, dim: int, samples: int, seed: int, device: str) -> Measured:
    """lambda_min of the limit kernel on uniform points of the unit sphere, and the bound by the nearest pair of points.

    lambda_min <= v^T K v = (K_ii + K_jj) / 2 - K_ij for v = (e_i - e_j) / sqrt(2), every pair i, j.
    """
    x = torch.nn.functional.normalize(noise_points(dim, samples, seed, "sphere")[0].double()).to(device)
    # The networks divide x by the root of the dimension.
    K = limit_kernel(drawn(network, dim, 1, 0), dim**0.5 * x).ntk
    own = K.diagonal()
    pairs = (own[:, None] + own) / 2 - K
    i, j = torch.triu_indices(samples, samples, 1)
    of = eigenvalues(K)
    return {
        "min": float(of.eigenvalues[-1]),
        "error": of.floor,
        "bound": float(pairs[i, j].min()),
        "nearest": float((x[i] - x[j]).norm(dim=1).min()),
    }
