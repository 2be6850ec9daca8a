r"""Complex layers as pairs of real tensors: z = (u, v) stands for u + iv, so that the transforms see real numbers only.

For a real loss L, (dL/dA, dL/dB) are the real and imaginary part of what torch's complex autograd gives for A + iB.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hpnets.layers.products import Product
from hpnets.validate import one_of

Pair = tuple[Tensor, Tensor]
_TINY = 1e-12  # added under the root of |z|, which has no gradient at z = 0


class ComplexLinear(nn.Module):
    r"""(A + iB)(u + iv) [+ a + ib], with A, B ~ N(0, gain / (2 inputs)) and a = b = 0; the bracket with `bias`.

    u, v: (batch, inputs) to two of (batch, outputs). E|Wz|^2 is `gain` times the mean of E|z_k|^2.
    """

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0, bias: bool = True) -> None:
        super().__init__()
        self.A, self.B = nn.Linear(inputs, outputs, bias=False), nn.Linear(inputs, outputs, bias=False)
        self.a, self.b = (nn.Parameter(torch.zeros(outputs)) if bias else None for _ in range(2))
        for layer in (self.A, self.B):
            nn.init.normal_(layer.weight, std=(gain / (2 * inputs)) ** 0.5)

    def forward(self, z: Pair) -> Pair:
        u, v = z
        real, imaginary = self.A(u) - self.B(v), self.B(u) + self.A(v)
        return (real, imaginary) if self.a is None else (real + self.a, imaginary + self.b)


def complex_product(product: Product, w: Pair, z: Pair) -> Pair:
    """w z, by four of the real `product`; the sum w + z for that of an additive twin."""
    (a, b), (u, v) = w, z
    if product.additive:
        return product(a, u), product(b, v)
    return product(a, u) - product(b, v), product(a, v) + product(b, u)


def complex_features(x: Tensor, complex_input: bool) -> Pair:
    """x (batch, features) as complex numbers: real ones, or, with complex_input, the two halves as the two parts."""
    real, imaginary = x.chunk(2, dim=1) if complex_input else (x, torch.zeros_like(x))
    return real, imaginary


def complex_size(input_shape: tuple[int, ...], complex_input: bool) -> int:
    """How many complex numbers an input holds; raises ValueError for a complex_input of an odd number of features."""
    features = math.prod(input_shape)
    if complex_input and features % 2:
        raise ValueError(f"input_shape is {tuple(input_shape)}; allowed with complex_input: evenly many features")
    return features // 2 if complex_input else features


def modulus(z: Pair) -> Tensor:
    """|z|, whose gradient at z = 0 is set to 0."""
    return (z[0].square() + z[1].square() + _TINY).sqrt()


def scaled(z: Pair, factor: Tensor) -> Pair:
    """factor z for a real factor."""
    return z[0] * factor, z[1] * factor


def zrelu(z: Pair) -> Pair:
    """z where both parts are positive, else 0."""
    return scaled(z, ((z[0] > 0) & (z[1] > 0)).to(z[0].dtype))


_ACTIVATIONS: dict[str, Callable[[Pair], Pair]] = {
    "none": lambda z: z,
    "split_relu": lambda z: (z[0].relu(), z[1].relu()),
    "split_tanh": lambda z: (z[0].tanh(), z[1].tanh()),
    "cardioid": lambda z: scaled(z, (1 + z[0] / modulus(z)) / 2),
    "zrelu": zrelu,
    "phase_tanh": lambda z: scaled(z, modulus(z).tanh() / modulus(z)),
}
COMPLEX_ACTIVATIONS = (*_ACTIVATIONS, "modrelu")


class ComplexActivation(nn.Module):
    r"""An activation of complex numbers by name, on `features` of them.

        none z;   split_relu relu(u) + i relu(v);   split_tanh tanh(u) + i tanh(v);   cardioid z (1 + cos arg z) / 2
        zrelu z [u > 0][v > 0];   modrelu relu(|z| + b) z/|z|, b trained from 0;   phase_tanh tanh(|z|) z/|z|

    Raises ValueError for an unknown name.
    Sources: modrelu Arjovsky et al. 2016 (arXiv 1511.06464), zrelu Guberman 2016 (arXiv 1602.09046), cardioid Virtue
    et al. 2017, phase_tanh Hirose 1992.
    """

    def __init__(self, name: str, features: int) -> None:
        super().__init__()
        self.name = one_of("activation", name, COMPLEX_ACTIVATIONS)
        if name == "modrelu":
            self.b = nn.Parameter(torch.zeros(features))

    def forward(self, z: Pair) -> Pair:
        if self.name == "modrelu":
            return scaled(z, (modulus(z) + self.b).relu() / modulus(z))
        return _ACTIVATIONS[self.name](z)
