"""Cells of the study of learning-rate transfer: losses over a grid of rates, and sharpness while networks train."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hpnets.options import OptimOptions
from hpnets.papers.lr_transfer.sizes import EIGHTH, LINEAR, Sizes
from hpnets.papers.parts.data import task_parts
from hpnets.papers.parts.rate_grids import train_at_rates
from hpnets.papers.parts.rate_tables import BEST, powers_of
from hpnets.papers.parts.rated_networks import rated
from hpnets.papers.parts.seeds import seed_for
from hpnets.papers.parts.sharpness_tracks import half_error, lanczos_error, track
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
    made += grid(tracked, network=sizes.wide[1:], kind="mup", size=sizes.followed, optimizer="sgd", **tracks)
    made += grid(tracked, network=sizes.deep_followed, kind="depth_mup", size=deep[::2], optimizer="sgd", **tracks)
    made += grid(tracked, network=sizes.deep_followed[1:], kind="completep", size=deep[::2], optimizer="sgd", **tracks)
    made += grid(tracked, network=sizes.plain[:1], kind="mup", size=deep[::2], optimizer="sgd", **tracks)
    made += grid(tracked, network="mlp", kind="mup", size=sizes.followed, optimizer="adam", **tracks)
    return made


def rate_cells(sizes: Sizes) -> list[Cell]:
    """Those of the best rates; twins are trained under mup."""
    runs: dict[str, Any] = {"batch": sizes.batch, "seeds": list(range(sizes.seeds)), "steps": sizes.steps}
    products = tuple(name for name in sizes.wide if not name.endswith("-sum"))
    made = grid(best_rate, network=sizes.wide + sizes.copied, kind="mup", size=sizes.widths, optimizer="sgd", **runs)
    made += grid(best_rate, network=products, kind="ntk", size=sizes.widths, optimizer="sgd", **runs)
    made += grid(best_rate, network=sizes.plain, kind="mup", size=sizes.branches, optimizer="sgd", **runs)
    made += grid(best_rate, network=sizes.deep, kind=BRANCHED, size=sizes.branches, optimizer="sgd", **runs)
    made += grid(best_rate, network=sizes.adam, kind="mup", size=sizes.widths, optimizer="adam", **runs)
    made += grid(best_rate, network=sizes.images, kind="mup", size=sizes.channels, optimizer="sgd", **runs)
    return made + grid(best_rate, network=sizes.deep_adam, kind=BRANCHED, size=sizes.branches, optimizer="adam", **runs)


def images(samples: int | None = None) -> tuple[Tensor, Tensor]:
    """x (n, 1, 8, 8) and y (n,) of the training digits, all or the first ones."""
    x, y, *_ = task_parts("digits")
    return x[:samples], y[:samples]


def best_rate(
    network: str, kind: str, size: int, optimizer: str, batch: int, seeds: list[int], steps: int, device: str
) -> Measured:
    """The late training loss, by rate and seed, at every rate of the grid; log2 of the rates."""
    x, y = (part.to(device) for part in images())
    powers = powers_of(network, (optimizer, "depth" if kind in BRANCHED else kind))
    own = [seed_for("rates", seed) for seed in seeds]
    make = partial(rated, network, kind, size, IMAGE, CLASSES)
    losses = train_at_rates(make, x, y, [2.0**p for p in powers], own, steps, batch, optimizer)
    return {"powers": powers, "loss": losses.tolist()}


def tracked(
    network: str, kind: str, size: int, optimizer: str, times: list[int], samples: int, seed: int, device: str
) -> Measured:
    """Sharpness over time at an eighth of the best rate of the first size."""
    return follow(network, kind, size, plain(optimizer, at(network, kind, optimizer)), times, samples, seed, device)


def swept(kind: str, size: int, setting: list[int], times: list[int], seed: int, device: str) -> Measured:
    """The same of the MLP at other settings: octaves below its best rate, and the number of samples."""
    octaves, samples = setting
    return follow("mlp", kind, size, plain("sgd", at("mlp", kind, "sgd", octaves)), times, samples, seed, device)


def plain(optimizer: str, lr: float) -> OptimOptions:
    """Adam, or SGD without momentum: the best rates are of plain SGD too, and momentum multiplies a rate in effect."""
    return OptimOptions(optimizer, lr, momentum=0.0)


def at(network: str, kind: str, optimizer: str, octaves: int = EIGHTH) -> float:
    """The rate that lies octaves below the best one, for all sizes."""
    return float(2.0 ** (BEST[optimizer, kind if kind == "ntk" else "mup"][network] - octaves))


def follow(
    network: str, kind: str, size: int, optim: OptimOptions, times: list[int], samples: int, seed: int, device: str
) -> Measured:
    """Sharpness on a fixed batch; fewer rows where the loss left the numbers."""
    x, y = (part.to(device) for part in images(samples))
    torch.manual_seed(seed_for("tracks", seed))
    net = rated(network, kind, size, IMAGE, CLASSES).to(device)
    return {"rows": track(net, cross_entropy, (x, y), optim, times)}


def linear(kind: str, size: int, times: list[int], samples: int, seed: int, device: str) -> Measured:
    """The same of f = V W x, one output, on Gaussian points of R^100 and a linear teacher, with 1/2 (f - y)^2."""
    generator = torch.Generator().manual_seed(seed_for("teacher", seed))
    x, w = (torch.randn(n, FEATURES, generator=generator).to(device) for n in (samples, 1))
    torch.manual_seed(seed_for("tracks", seed))
    net = rated("linear", kind, size, (FEATURES,), 1).to(device)
    y = x @ w.T / FEATURES**0.5
    return {"rows": track(net, half_error, (x, y), plain("sgd", LINEAR[kind]), times, split=True)}


def dense(seed: int, device: str) -> Measured:
    """The relative error of the sharpness by Lanczos beside the dense Hessian's, of an MLP of some 200 parameters."""
    generator = torch.Generator().manual_seed(seed_for("dense", seed))
    x, y = torch.randn(20, 6, generator=generator), torch.randint(5, (20,), generator=generator)
    torch.manual_seed(seed_for("tracks", seed))
    return {"error": lanczos_error(rated("mlp", "ntk", 10, (6,), 5), cross_entropy, (x, y))}
