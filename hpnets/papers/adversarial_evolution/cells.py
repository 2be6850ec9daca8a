"""Cells of the study: networks trained on clean and on attacked images, at the rates of one grid."""

from typing import Any

from hpnets.papers.adversarial_evolution.sizes import Sizes
from hpnets.papers.parts.attacked_evolution import evolve
from hpnets.study import Cell, grid

Measured = dict[str, Any]


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, the longest first."""
    own: Measured = {"task": sizes.task, "side": sizes.side, "number": sizes.number, "held": sizes.held}
    own |= {
        "eps": sizes.eps,
        "epochs": sizes.epochs,
        "measured": list(sizes.measured),
        "frozen_epochs": sizes.frozen_epochs,
    }
    seeds: Measured = {"seed": tuple(range(sizes.seeds))}
    made = grid(evolve, network="conv", lr=sizes.lr, **own, frozen=list(sizes.frozen), **seeds)
    small: Measured = {"side": sizes.small_side, "number": sizes.small_number, "epochs": sizes.small_epochs}
    small |= {"measured": ending(sizes.measured, sizes.small_epochs)}
    made += grid(evolve, network=twice(sizes.small_pairs), lr=sizes.rates, **own | small, frozen=[], **seeds)
    last: Measured = {"frozen": [sizes.epochs], **seeds}
    made += grid(evolve, network=twice(sizes.pairs), lr=sizes.rates, **own, **last)
    on_digits = sizes.task == "digits"  # already
    own |= {"task": "digits", "side": 8, "number": sizes.digits_number, "eps": sizes.digits_eps}
    made += [] if on_digits else grid(evolve, network=twice(sizes.pairs), lr=sizes.rates, **own, **last)
    own |= {"epochs": sizes.digits_epochs, "measured": ending(sizes.measured, sizes.digits_epochs)}
    return made + grid(evolve, network="mlp", lr=sizes.lr, **own, frozen=[sizes.digits_epochs], **seeds)


def twice(networks: tuple[str, ...]) -> tuple[str, ...]:
    """Each network and its additive twin."""
    return tuple(name for network in networks for name in (network, f"{network}-sum"))


def ending(measured: tuple[int, ...], epochs: int) -> list[int]:
    """The epochs at which kernels are measured in a training of so many."""
    return [*(epoch for epoch in measured if epoch < epochs), epochs]
