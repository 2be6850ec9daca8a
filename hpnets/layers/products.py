"""The Hadamard product, which everything here is about, and the sum that takes its place in an additive twin."""

from collections.abc import Callable

from torch import Tensor

from hpnets.layers.checks import one_of

Product = Callable[[Tensor, Tensor], Tensor]


def hadamard(a: Tensor, b: Tensor) -> Tensor:
    """a * b, elementwise, of two equal shapes: a named place for hooks and FLOP counters, which see no x * y."""
    return a * b


def added(a: Tensor, b: Tensor) -> Tensor:
    """a + b: what stands for the Hadamard product in the additive twin of a network, of equal width and parameters."""
    return a + b


PRODUCTS: dict[str, Product] = {"hadamard": hadamard, "sum": added}


def make_product(name: str) -> Product:
    """The function called "hadamard" or "sum"; ValueError for another name."""
    return PRODUCTS[one_of("product", name, PRODUCTS)]
