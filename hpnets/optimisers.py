"""The optimisers by name. Imports no torch: the command line lists them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hpnets.registry import Registry

if TYPE_CHECKING:
    from torch.optim import Optimizer

Groups = list[dict[str, Any]]
EPSILON = 1e-8  # Adam's, as torch has it


class Settings(Protocol):
    """The numbers that an optimiser may take, those of hpnets.options.OptimOptions; weight decay is in the groups."""

    lr: float
    momentum: float
    nesterov: bool
    betas: list[float]


Make = Callable[[Groups, Settings], "Optimizer"]


@dataclass(frozen=True)
class Optimiser:
    """How to make one, and how its steps scale with the gradient.

    rates: "sgd" if a step is proportional to the gradient, "adam" if it is divided by the gradient's size: which of a
    parametrisation's factors its learning rates get. decays_gradient: weight decay is added to the gradient before
    that division, so that no factor keeps it the same at every width.
    """

    make: Make
    rates: Literal["sgd", "adam"]
    decays_gradient: bool = False


OPTIMISERS: Registry[Optimiser] = Registry("optimiser")


def register_optimiser(
    name: str, rates: Literal["sgd", "adam"], decays_gradient: bool = False
) -> Callable[[Make], Make]:
    """Decorator of a function (parameter groups, settings) that makes the optimiser; ValueError for a taken name."""

    def enter(make: Make) -> Make:
        OPTIMISERS.register(name)(Optimiser(make, rates, decays_gradient))
        return make

    return enter


@register_optimiser("adam", rates="adam", decays_gradient=True)
def adam(groups: Groups, o: Settings) -> "Optimizer":
    """Adam, whose weight decay is part of the gradient."""
    from torch.optim import Adam

    return Adam(groups, o.lr, (o.betas[0], o.betas[1]))


@register_optimiser("adamw", rates="adam")
def adamw(groups: Groups, o: Settings) -> "Optimizer":
    """Adam with decoupled weight decay."""
    from torch.optim import AdamW

    return AdamW(groups, o.lr, (o.betas[0], o.betas[1]))


@register_optimiser("sgd", rates="sgd")
def sgd(groups: Groups, o: Settings) -> "Optimizer":
    """Gradient descent with momentum, Nesterov's if `nesterov`."""
    from torch.optim import SGD

    return SGD(groups, o.lr, momentum=o.momentum, nesterov=o.nesterov)
