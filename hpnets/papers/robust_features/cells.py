"""Cells of the study: machines and their features, transfer between kernels, trained networks under attack."""

from typing import Any

import torch
from torch import nn

from hpnets.papers.parts.boxed_pairs import BoxedPair, pair_of
from hpnets.papers.parts.feature_agreement import compared
from hpnets.papers.parts.feature_machines import CONV, Kernel, accuracies, by_rank, make_net, maps_of, numbers_of
from hpnets.papers.parts.robust_training import Track, attacked_by, train_and_attack, train_epoch
from hpnets.papers.parts.seeds import seed_for
from hpnets.papers.robust_features.sizes import NEAR, Sizes, radius_of, twin_of
from hpnets.study import Cell, grid

Measured = dict[str, Any]


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, those on images of many pixels first."""
    seeds = tuple(range(sizes.seeds))
    of: Measured = {"train": sizes.train, "test": sizes.test, "steps": sizes.steps}
    parts: Measured = {**of, "feature_steps": sizes.feature_steps}
    made = grid(machine, network=sizes.limits, data=sizes.data, width=0, seed=seeds, **parts)
    for network in sizes.finite:
        data = sizes.data[::3] if network in CONV else sizes.data  # the first of real pixels, and digits
        made += grid(machine, network=network, data=data, width=sizes.width_of(network), seed=seeds, **parts)
    widths = [sizes.width_of(network) for network in sizes.alike]
    made += grid(agreement, data=sizes.data, networks=list(sizes.alike), widths=widths, seed=seeds, **of)
    same: Measured = {"train": sizes.train, "test": sizes.test, "epochs": list(sizes.epochs)}
    made += grid(by_kernels, network=sizes.attacked, data=sizes.data, width=sizes.wide, lr=1e-3, seed=seeds, **same)
    for network in (name for product in sizes.products for name in (product, twin_of(product))):
        data = sizes.data[:1] if network.startswith("pinet") else sizes.data
        axes: Measured = {"data": data, "lr": sizes.rates, "seed": seeds}
        made += grid(trained, network=network, width=sizes.width_of(network), **axes, **same)
    same |= {"epochs": list(sizes.moved_epochs), "adversarial": (False, True)}
    made += grid(moved, network=sizes.moved, data=sizes.first, width=sizes.width, lr=1e-3, seed=seeds, **same)
    return made + grid(maps, network="mlp-relu", data=sizes.first, seed=0, **parts)


def machine(
    network: str, data: str, width: int, seed: int, train: int, test: int, steps: int, feature_steps: int, device: str
) -> Measured:
    """The machine of a kernel, its top 20 features alone, and features by rank, clean and attacked; width 0: limit."""
    pair, eps = pair_of(data, train, test, seed, device), radius_of(data)
    kernel = Kernel(network, pair, width, seed_for("weights", seed))
    groups = by_rank(kernel, pair.test, pair.box, eps, feature_steps)
    return {**numbers_of(kernel, pair, eps, steps, seed), "groups": groups}


def agreement(
    data: str, networks: list[str], widths: list[int], seed: int, train: int, test: int, steps: int, device: str
) -> Measured:
    """What the kernels of networks at their start share."""
    pair = pair_of(data, train, test, seed, device)
    kernels = {n: Kernel(n, pair, w, seed_for(n, seed)) for n, w in zip(networks, widths, strict=True)}
    return compared(kernels, pair, radius_of(data), steps, seed)


def drawn(network: str, pair: BoxedPair, width: int, seed: int) -> nn.Module:
    """A network at its start, float32."""
    net = make_net(network, tuple(pair.train.x.shape[1:]), width, seed_for("weights", seed))
    return net.float().to(pair.train.x.device)


def by_kernels(
    network: str, data: str, width: int, lr: float, seed: int, train: int, test: int, epochs: list[int], device: str
) -> Measured:
    """A trained network under noise, the worst points of its limit kernel's machine, and pgd on itself."""
    pair, eps = pair_of(data, train, test, seed, device), radius_of(data)
    kernel = Kernel(network, pair, 0, 0)
    net = drawn(network, pair, width, seed)
    train_and_attack(net, pair, eps, lr, epochs[-1:], seed)
    return attacked_by(net, kernel.machine(kernel.features.coefficients()), pair, eps, seed)


def trained(
    network: str, data: str, lr: float, seed: int, width: int, train: int, test: int, epochs: list[int], device: str
) -> Measured:
    """A network in training: validation and test numbers at each of the epochs."""
    pair = pair_of(data, train, test, seed, device)
    net = drawn(network, pair, width, seed)
    return train_and_attack(net, pair, NEAR * radius_of(data), lr, epochs, seed)


def moved(
    network: str, data: str, width: int, lr: float, seed: int, train: int, test: int, epochs: list[int],
    adversarial: bool, device: str,
) -> Measured:  # fmt: skip
    """How a network's kernel moves in clean or adversarial training."""
    pair, eps = pair_of(data, train, test, seed, device), radius_of(data)
    net = drawn(network, pair, width, seed)
    optimizer, g, track = torch.optim.Adam(net.parameters(), lr), torch.Generator().manual_seed(seed), Track(pair)
    track.measure(net)
    for before, epoch in zip([0, *epochs], epochs, strict=False):
        for _ in range(epoch - before):
            train_epoch(net, pair, optimizer, eps if adversarial else 0.0, g)
        track.measure(net)
    return {**track.numbers(), **accuracies(net, pair.test._replace(x=pair.test.x.float()), pair.box, eps, 10, seed)}


def maps(
    network: str, data: str, seed: int, train: int, test: int, steps: int, feature_steps: int, device: str
) -> Measured:
    """Pictures of the top features, and of the most useful of those that are not robust, of a limit kernel."""
    pair = pair_of(data, train, test, seed, device)
    return {"shown": maps_of(Kernel(network, pair, 0, 0), pair, radius_of(data), feature_steps)}
