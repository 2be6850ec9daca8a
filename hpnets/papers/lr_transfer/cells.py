"""Cells of the study of learning-rate transfer: losses over a grid of rates, and sharpness while networks train."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hpnets.curvature import hessian, network_loss, sharpness
from hpnets.options import OptimOptions
from hpnets.papers.data import task_parts
from hpnets.papers.lr_transfer.sizes import BEST, EIGHTH, GRIDS, LINEAR, STEP, Sizes
from hpnets.papers.rate_grids import train_at_rates
from hpnets.papers.rated_networks import rated
from hpnets.papers.seeds import seed_for
from hpnets.papers.sharpness_tracks import track
from hpnets.study import Cell, grid

Measured = dict[str, Any]
IMAGE, CLASSES, FEATURES = (1, 8, 8), 10, 100
BRANCHED = ("depth_mup", "completep")


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, what the paper itself states before what is asked of products."""
    track: dict[str, Any] = {"times": list(sizes.times), "seed": tuple(range(sizes.seeds))}
    tracks, deep = {"samples": sizes.samples, **track}, sizes.branches[::-1]
    settings = tuple(list(setting) for setting in sizes.swept)
    made = grid(dense, seed=track["seed"])
    made += grid(tracked, network="mlp", kind=("mup", "ntk"), size=sizes.followed, optimizer="sgd", **tracks)
    made += grid(swept, kind=("mup", "ntk"), size=sizes.followed, setting=settings, **track)
    made += grid(linear, kind=("mup", "ntk"), size=sizes.linear_widths, **tracks)
    made += rate_cells(sizes)
    for optimizer, kind, networks in ((*way, networks) for way, networks in followed(sizes).items()):
        made += grid(tracked, network=networks, kind=kind, size=sizes.followed, optimizer=optimizer, **tracks)
    made += grid(tracked, network=sizes.deep_followed, kind=BRANCHED, size=deep[::2], optimizer="sgd", **tracks)
    made += grid(tracked, network=sizes.plain[:1], kind="mup", size=deep[::2], optimizer="sgd", **tracks)
    few = {"samples": sizes.image_samples, **track}
    return made + grid(tracked, network=sizes.images, kind="mup", size=sizes.channels, optimizer="sgd", **few)


def rate_cells(sizes: Sizes) -> list[Cell]:
    """Those of the best rates; twins are trained under mup."""
    runs: dict[str, Any] = {"seeds": list(range(sizes.seeds)), "steps": sizes.steps}
    batches, images = {"batch": sizes.batch, **runs}, {"batch": sizes.image_batch, **runs}
    products = tuple(name for name in sizes.wide if not name.endswith("-sum"))
    made = grid(best_rate, network=sizes.wide, kind="mup", size=sizes.widths, optimizer="sgd", **batches)
    made += grid(best_rate, network=products, kind="ntk", size=sizes.widths, optimizer="sgd", **batches)
    made += grid(best_rate, network=sizes.plain, kind="mup", size=sizes.branches, optimizer="sgd", **batches)
    made += grid(best_rate, network=sizes.deep, kind=BRANCHED, size=sizes.branches, optimizer="sgd", **batches)
    made += grid(best_rate, network=sizes.adam, kind="mup", size=sizes.widths, optimizer="adam", **batches)
    made += grid(best_rate, network=sizes.deep_adam, kind=BRANCHED, size=sizes.branches, optimizer="adam", **batches)
    return made + grid(best_rate, network=sizes.images, kind="mup", size=sizes.channels, optimizer="sgd", **images)


def followed(sizes: Sizes) -> dict[tuple[str, str], tuple[str, ...]]:
    """The networks beside the MLP under SGD whose sharpness is followed over the width, by optimiser and kind."""
    of = {("sgd", "mup"): sizes.wide[1:], ("sgd", "ntk"): sizes.wide[1:], ("adam", "mup"): sizes.adam}
    return {way: tuple(name for name in networks if name in BEST[way]) for way, networks in of.items()}


def powers_of(network: str, kind: str, optimizer: str) -> list[float]:
    """log2 of the rates that a network and its twin are trained at."""
    way = optimizer, "depth" if kind in BRANCHED else kind
    low, high = GRIDS[way][network.removesuffix("-sum")]
    return [low + STEP * i for i in range(round((high - low) / STEP) + 1)]


def images(samples: int | None = None) -> tuple[Tensor, Tensor]:
    """x (n, 1, 8, 8) and y (n,) of the training digits, all or the first ones."""
    x, y, *_ = task_parts("digits")
    return x[:samples], y[:samples]


def best_rate(
    network: str, kind: str, size: int, optimizer: str, batch: int, seeds: list[int], steps: int, device: str
) -> Measured:
    """The late training loss, by rate and seed, at every rate of the grid; log2 of the rates."""
    x, y = (part.to(device) for part in images())
    powers = powers_of(network, kind, optimizer)
    own = [seed_for("rates", seed) for seed in seeds]
    make = partial(rated, network, kind, size, IMAGE, CLASSES)
    losses = train_at_rates(make, x, y, [2.0**p for p in powers], own, steps, batch, optimizer)
    return {"powers": powers, "loss": losses.tolist()}


def tracked(
    network: str, kind: str, size: int, optimizer: str, times: list[int], samples: int, seed: int, device: str
) -> Measured:
    """Sharpness over time at an eighth of the best rate of the first size."""
    return follow(network, kind, size, optimizer, EIGHTH, times, samples, seed, device)


def swept(kind: str, size: int, setting: list[int], times: list[int], seed: int, device: str) -> Measured:
    """The same of the MLP at other settings: octaves below its best rate, and the number of samples."""
    return follow("mlp", kind, size, "sgd", setting[0], times, setting[1], seed, device)


def follow(
    network: str,
    kind: str,
    size: int,
    optimizer: str,
    octaves: int,
    times: list[int],
    samples: int,
    seed: int,
    device: str,
) -> Measured:
    """Sharpness over time at one rate for all sizes, on a fixed batch; fewer rows where the loss left the numbers."""
    x, y = (part.to(device) for part in images(samples))
    torch.manual_seed(seed_for("tracks", seed))
    net = rated(network, kind, size, IMAGE, CLASSES).to(device)
    power = BEST[optimizer, kind if kind == "ntk" else "mup"][network] - octaves
    return {"power": power, "rows": track(net, cross_entropy, (x, y), OptimOptions(optimizer, 2.0**power), times)}


def linear(kind: str, size: int, times: list[int], samples: int, seed: int, device: str) -> Measured:
    """The same of f = V W x, one output, on Gaussian points of R^100 and a linear teacher, with 1/2 (f - y)^2."""
    generator = torch.Generator().manual_seed(seed_for("teacher", seed))
    x, w = (torch.randn(n, FEATURES, generator=generator).to(device) for n in (samples, 1))
    torch.manual_seed(seed_for("tracks", seed))
    net = rated("linear", kind, size, (FEATURES,), 1).to(device)
    y = x @ w.T / FEATURES**0.5
    return {"rows": track(net, half_error, (x, y), OptimOptions("sgd", LINEAR[kind]), times, split=True)}


def half_error(f: Tensor, y: Tensor) -> Tensor:
    """1/2 (f - y)^2, the mean over samples."""
    return (f - y).square().mean() / 2


def dense(seed: int, device: str) -> Measured:
    """The relative error of the sharpness by Lanczos beside the dense Hessian's, of an MLP of some 200 parameters."""
    generator = torch.Generator().manual_seed(seed_for("dense", seed))
    x, y = torch.randn(20, 6, generator=generator), torch.randint(5, (20,), generator=generator)
    torch.manual_seed(seed_for("tracks", seed))
    net = rated("mlp", "ntk", 10, (6,), 5)
    loss = network_loss(net, cross_entropy)
    operator = hessian(loss, loss.params, (x, y))
    own = float(sharpness(operator, tol=1e-3).values)
    whole = operator.matmat(torch.eye(operator.shape[0])).double()
    exact = float(torch.linalg.eigvalsh((whole + whole.T) / 2)[-1])
    return {"error": abs(own - exact) / abs(exact), "parameters": operator.shape[0]}
