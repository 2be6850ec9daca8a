"""Complex MLP: fully connected layers of complex weights, as pairs of real ones."""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpnets.layers import ComplexActivation, ComplexLinear, complex_features, complex_size
from hpnets.models.options import ComplexActivationName, ComplexInput, Depth, Width
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class ComplexMLPOptions(OptionSet):
    """The hidden layers, and what the input is."""

    depth: Depth = 2
    width: Width = 128
    activation: ComplexActivationName = "split_relu"
    complex_input: ComplexInput = False


_GAINS = {"split_relu": 2.0, "zrelu": 4.0, "cardioid": 8 / 3}  # E|z|^2 / E|s(z)|^2 for z of uniform phase


@register_model("complex_mlp")
class ComplexMLP(nn.Module):
    r"""Fully connected network of `depth` complex hidden layers with a real output.

        z_0 = x;   z_l = s((A_l + i B_l) z_{l-1} + a_l + i b_l), l = 1..depth;   f = Re(V z_depth) + c

    x: (batch, *input_shape), flattened: real numbers, or with `complex_input` the real parts in its first half and the
    imaginary ones in its second. z_l: a pair of (batch, width); f: (batch, output_dim). s is an activation of complex
    numbers (hpnets.layers.ComplexActivation).
    A_l, B_l ~ N(0, gain / (2 fan_in)), gain 2 for split_relu, 8/3 for cardioid, 4 for zrelu and else 1, so that |z_l|
    keeps its scale; V's real and imaginary part ~ N(0, 1/width).

    Raises ValueError for a complex_input of an odd number of features, and for what the options do not allow.
    Source: the setting of Tan et al. 2022, "Real-Valued Backpropagation is Unsuitable for Complex-Valued Neural
    Networks" (NeurIPS).
    """

    @takes(ComplexMLPOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: ComplexMLPOptions) -> None:
        super().__init__()
        self.complex_input = o.complex_input
        sizes = [complex_size(input_shape, o.complex_input)] + [o.width] * o.depth
        self.s = nn.ModuleList(ComplexActivation(o.activation, o.width) for _ in range(o.depth))
        gain = _GAINS.get(o.activation, 1.0)
        self.W = nn.ModuleList(ComplexLinear(a, b, gain) for a, b in itertools.pairwise(sizes))
        self.V = nn.Linear(2 * o.width, output_dim)
        nn.init.normal_(self.V.weight, std=o.width**-0.5)
        nn.init.zeros_(self.V.bias)

    def degree_in_x(self) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        z = complex_features(x.flatten(1), self.complex_input)
        for W_l, s in zip(self.W, self.s, strict=True):
            z = s(W_l(z))
        return self.V(torch.cat(z, dim=1))
