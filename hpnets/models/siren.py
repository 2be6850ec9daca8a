"""SIREN: the sinusoidal baseline of coordinate networks."""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.models.options import Depth, Width, above_0
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class SIRENOptions(OptionSet):
    """The hidden layers, and their sines."""

    depth: Depth = 3
    width: Width = 128
    omega: Annotated[float, above_0("frequency of the sines, in radians a unit")] = 30.0


@register_model("siren")
class SIREN(nn.Module):
    r"""Fully connected network with sines for activations.

        h_0 = x;   h_l = sin(omega (W_l h_{l-1} + b_l)), l = 1..depth;   f = C h_depth + c

    x: (batch, *input_shape), flattened to coordinates in R^d, expected in [-1, 1]; h_l: (batch, width); f: (batch,
    output_dim). W_1 ~ U(-1/d, 1/d), W_l ~ U(-r/omega, r/omega) with r = sqrt(6/width) after it, so that
    omega W_l h_{l-1} has variance 1 at any depth. Biases ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)). Ours differs: C ~
    U(-r, r), so that f starts at scale 1, where the paper divides by omega too.

    Raises ValueError for what the options do not allow.
    Source: Sitzmann et al. 2020, "Implicit Neural Representations with Periodic Activation Functions" (arXiv
    2006.09661).
    """

    @takes(SIRENOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: SIRENOptions) -> None:
        super().__init__()
        d, self.omega = math.prod(input_shape), o.omega
        self.W = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise([d] + [o.width] * o.depth))
        self.C = nn.Linear(o.width, output_dim)
        r = math.sqrt(6 / o.width)
        for layer, bound in zip((*self.W, self.C), [1 / d, *[r / o.omega] * (o.depth - 1), r], strict=True):
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for W_l in self.W:
            h = torch.sin(self.omega * W_l(h))
        return self.C(h)
