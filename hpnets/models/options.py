"""What networks of several families have as options, each said once; a family adds its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from hpnets.layers.activations import ACTIVATIONS
from hpnets.layers.complex import COMPLEX_ACTIVATIONS
from hpnets.layers.norms import NORMS_1D, NORMS_2D
from hpnets.layers.products import PRODUCTS
from hpnets.option_sets import Option, OptionSet
from hpnets.validate import at_least, boolean, finite, one_of, positive


def count(text: str, minimum: int = 1) -> Option:
    """An integer >= minimum."""
    return Option(text, partial(at_least, minimum=minimum))


def choice(text: str, allowed: Iterable[str]) -> Option:
    """One of some words."""
    return Option(text, partial(one_of, allowed=tuple(allowed)))


def counts(text: str) -> Option:
    """A list of integers >= 1, not empty."""
    return Option(text, _counts)


def _counts(name: str, value: Any) -> list[int]:
    integers = isinstance(value, list | tuple) and all(type(n) is int and n >= 1 for n in value)
    if not integers or not value:
        raise ValueError(f"{name} is {value!r}; allowed: a list of integers >= 1, one a stage")
    return value


def flag(text: str) -> Option:
    """True or false."""
    return Option(text, boolean)


def number(text: str) -> Option:
    """A finite number."""
    return Option(text, finite)


def above_0(text: str) -> Option:
    """A finite number > 0."""
    return Option(text, positive)


Depth = Annotated[int, count("hidden layers")]
Width = Annotated[int, count("units of a hidden layer")]
Degree = Annotated[int, count("degree N of the polynomial: one layer each")]
Activation = Annotated[str, choice("activation s; none for a polynomial", ACTIVATIONS)]
ComplexActivationName = Annotated[str, choice("activation s of complex numbers", COMPLEX_ACTIVATIONS)]
ComplexInput = Annotated[bool, flag("take the input's second half as the imaginary parts of its first")]
Norm1d = Annotated[str, choice("normalisation of features; layer breaks a polynomial", NORMS_1D)]
Norm2d = Annotated[str, choice("normalisation of maps; group breaks a polynomial", NORMS_2D)]
Skip = Annotated[bool, flag("add the previous layer to each product")]
Shared = Annotated[bool, flag("use the same weights in all layers, but for the first")]
Bias = Annotated[bool, flag("have biases, 0 at the start")]
Demodulate = Annotated[bool, flag("divide the weights that a style scales by their norm")]
Fused = Annotated[bool, flag("compute the modulation as one grouped convolution: the same numbers, more memory")]
Gate = Annotated[float, number("value of the gate alpha at the start; 0 closes it")]
Product = Annotated[str, choice("hadamard, or sum for the additive twin, where + takes the place of *", PRODUCTS)]


@dataclass(frozen=True)
class PolynomialOptions(OptionSet):
    """Degree and width of the polynomial networks."""

    degree: Degree = 4
    width: Width = 256


@dataclass(frozen=True)
class RecursionOptions(OptionSet):
    """What one layer of a polynomial recursion does: CCP, NCP and CoPE."""

    activation: Activation = "none"
    norm: Norm1d = "none"
    skip: Skip = True
    shared: Shared = False
    product: Product = "hadamard"
