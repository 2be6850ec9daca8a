"""Activations by name, "none" among them: without one, a product network is a polynomial."""

from collections.abc import Callable
from functools import partial

from torch import nn

from hpnets.validate import one_of

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
}


def make_activation(name: str) -> nn.Module:
    """A new module (never in place: the kernel's hooks must see its input); ValueError for an unknown name."""
    return ACTIVATIONS[one_of("activation", name, ACTIVATIONS)]()
