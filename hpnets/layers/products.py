"""The Hadamard product, which everything here is about, and the sum that takes its place in an additive twin."""

from collections.abc import Callable
from typing import Protocol, cast

from torch import Tensor

from hpnets.validate import one_of


class Product(Protocol):
    """A function of two features of one shape; `additive` tells the sum of a twin from a product."""

    additive: bool

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor: ...


def declared(additive: bool) -> Callable[[Callable[[Tensor, Tensor], Tensor]], Product]:
    """Decorator: give a function the attribute `additive`, which `hpnets.theory` reads."""

    def declare(function: Callable[[Tensor, Tensor], Tensor]) -> Product:
        product = cast(Product, function)
        product.additive = additive
        return product

    return declare


@declared(additive=False)
def hadamard(a: Tensor, b: Tensor) -> Tensor:
    """a * b, elementwise, of two equal shapes: a named place for hooks and FLOP counters, which see no x * y."""
    return a * b


@declared(additive=True)
def added(a: Tensor, b: Tensor) -> Tensor:
    """a + b: what stands for the Hadamard product in the additive twin of a network, of equal width and parameters."""
    return a + b


PRODUCTS: dict[str, Product] = {"hadamard": hadamard, "sum": added}


def make_product(name: str) -> Product:
    """The function called "hadamard" or "sum"; ValueError for another name."""
    return PRODUCTS[one_of("product", name, PRODUCTS)]
