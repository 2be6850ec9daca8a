"""Cells of the study: machines and their features, transfer between kernels, trained networks under attack."""

from typing import Any

import torch

from hpnets.attacks import attack
from hpnets.options import AttackOptions
from hpnets.papers.feature_machines import (
    TOP,
    Kernel,
    accuracies,
    by_rank,
    centred,
    gradient_map,
    make_net,
    overlap,
    slope_error,
    sum_error,
    top_mass,
)
from hpnets.papers.image_pairs import pair_of
from hpnets.papers.robust_features.sizes import Sizes, radius_of, twin_of
from hpnets.papers.robust_training import Track, attacked_by, train_and_attack, train_epoch
from hpnets.papers.seeds import seed_for
from hpnets.study import Cell, grid

Measured = dict[str, Any]


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, those on images of many pixels first."""
    seeds = tuple(range(sizes.seeds))
    of: Measured = {"train": sizes.train, "test": sizes.test, "steps": sizes.steps}
    parts: Measured = {**of, "feature_steps": sizes.feature_steps}
    made = grid(machine, network=sizes.limits, data=sizes.data, width=0, seed=seeds, **parts)
    for network in sizes.finite:
        made += grid(machine, network=network, data=sizes.data, width=sizes.width_of(network), seed=seeds, **parts)
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
    whole = kernel.machine(kernel.features.coefficients())
    top = kernel.machine(kernel.features.coefficients(range(min(TOP, kernel.features.rank))))
    made: Measured = {"rank": kernel.features.rank, "mass": top_mass(kernel.K)}
    made |= {"centred mass": top_mass(centred(kernel.K))}
    made |= {"whole": accuracies(whole, pair.test, pair.box, eps, steps, seed)}
    made |= {"top": accuracies(top, pair.test, pair.box, eps, steps, seed)}
    made |= {"groups": by_rank(kernel, pair.test, pair.box, eps, feature_steps)}
    return made | {"sum": sum_error(kernel, pair.test.x), "slope": slope_error(whole, pair.test.x[:20])}


def agreement(
    data: str, networks: list[str], widths: list[int], seed: int, train: int, test: int, steps: int, device: str
) -> Measured:
    """Of kernels of networks at their start, for each two: overlap of top eigenspaces, accuracy at the other's attack."""
    pair, eps = pair_of(data, train, test, seed, device), radius_of(data)
    options = AttackOptions(eps, steps=steps, seed=seed)
    kernels = [Kernel(n, pair, w, seed_for(n, seed)) for n, w in zip(networks, widths, strict=True)]
    machines = [kernel.machine(kernel.features.coefficients()) for kernel in kernels]
    points = [attack(f, pair.test.x, pair.test.y, pair.box, options).x for f in machines]
    made: Measured = {"noise": {}, "attacked": {}, "overlap": {}, "centred overlap": {}, "chance": TOP / train}
    for i, name in enumerate(networks):
        made["noise"][name] = accuracies(machines[i], pair.test, pair.box, eps, 1, seed)["noise"]
        for j, other in enumerate(networks):
            with torch.no_grad():
                right = (machines[i](points[j])[:, 0] > 0) == (pair.test.y > 0)
            made["attacked"][f"{name} by {other}"] = float(right.double().mean())
            if i < j:
                made["overlap"][f"{name}, {other}"] = overlap(kernels[i].K, kernels[j].K)
                both = (centred(kernels[k].K) for k in (i, j))
                made["centred overlap"][f"{name}, {other}"] = overlap(*both)
    return made


def by_kernels(
    network: str, data: str, width: int, lr: float, seed: int, train: int, test: int, epochs: list[int], device: str
) -> Measured:
    """A trained network under noise, the worst points of its limit kernel's machine, and pgd on itself."""
    pair, eps = pair_of(data, train, test, seed, device), radius_of(data)
    kernel = Kernel(network, pair, 0, 0)
    net = make_net(network, tuple(pair.train.x.shape[1:]), width, seed_for("weights", seed)).float().to(device)
    train_and_attack(net, pair, eps, lr, epochs[-1:], seed)
    return attacked_by(net, kernel.machine(kernel.features.coefficients()), pair, eps, seed)


def trained(
    network: str, data: str, lr: float, seed: int, width: int, train: int, test: int, epochs: list[int], device: str
) -> Measured:
    """A network in training: validation and test numbers at each of the epochs."""
    pair = pair_of(data, train, test, seed, device)
    net = make_net(network, tuple(pair.train.x.shape[1:]), width, seed_for("weights", seed)).float().to(device)
    return train_and_attack(net, pair, radius_of(data), lr, epochs, seed)


def moved(
    network: str, data: str, width: int, lr: float, seed: int, train: int, test: int, epochs: list[int],
    adversarial: bool, device: str,
) -> Measured:  # fmt: skip
    """How a network's kernel moves in clean or adversarial training."""
    pair, eps = pair_of(data, train, test, seed, device), radius_of(data)
    net = make_net(network, tuple(pair.train.x.shape[1:]), width, seed_for("weights", seed)).float().to(device)
    optimizer, track = torch.optim.Adam(net.parameters(), lr), Track(pair)
    g = torch.Generator().manual_seed(seed)
    track.measure(net)
    for before, epoch in zip([0, *epochs], epochs, strict=False):
        for _ in range(epoch - before):
            train_epoch(net, pair, optimizer, eps if adversarial else 0.0, g)
        track.measure(net)
    return {**track.numbers(), **accuracies(net, pair.test._replace(x=pair.test.x.float()), pair.box, eps, 10, seed)}


def maps(
    network: str, data: str, seed: int, train: int, test: int, steps: int, feature_steps: int, device: str
) -> Measured:
    """Mean gradients of the top features, and of those that are most useful of the ones that are not robust."""
    pair, eps = pair_of(data, train, test, seed, device), radius_of(data)
    kernel = Kernel(network, pair, 0, 0)
    rows = [r for g in by_rank(kernel, pair.test, pair.box, eps, feature_steps).values() for r in transposed(g)]
    weak = sorted((r for r in rows if r["robust"] < 0.1), key=lambda r: -r["margin"])[:3]
    shown = [*rows[:3], *(weak or rows[-3:])]
    for row in shown:
        row["map"] = gradient_map(kernel.machine(kernel.features.coefficients([row["rank"]])), pair.test)
    return {"shown": shown, "mean image": [pair.test.x[pair.test.y == c].mean(0)[0].tolist() for c in (0, 1)]}


def transposed(group: Measured) -> list[Measured]:
    """The features of a group, one a mapping."""
    return [dict(zip(group, row, strict=True)) for row in zip(*group.values(), strict=True)]
