"""Random Fourier features of the coordinates before an MLP."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.models.mlp import MLP
from hpnets.models.options import Activation, Width, above_0, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class FourierFeaturesOptions(OptionSet):
    """The sinusoids, and the MLP after them."""

    features: Annotated[int, count("frequencies; each gives a cosine and a sine")] = 128
    scale: Annotated[float, above_0("deviation of the frequencies, in cycles a unit of x")] = 1.0
    depth: Annotated[int, count("hidden layers of the MLP; 0 is a linear map", minimum=0)] = 2
    width: Width = 128
    activation: Activation = "relu"


@register_model("fourier_features")
class FourierFeatures(nn.Module):
    r"""MLP of frozen random sinusoids of the coordinates.

        gamma(x) = [cos(2 pi B x), sin(2 pi B x)];   f = MLP(gamma(x));   B ~ N(0, scale^2), never trained

    x: (batch, *input_shape), flattened to coordinates in R^d; B: (features, d); gamma: (batch, 2 features), |gamma|^2 =
    features; f: (batch, output_dim).

    Raises ValueError for what the options do not allow.
    Source: Tancik et al. 2020, "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional
    Domains" (arXiv 2006.10739). Ours differs: no sigmoid on f, which is any output and not a color.
    """

    B: Tensor

    @takes(FourierFeaturesOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: FourierFeaturesOptions) -> None:
        super().__init__()
        self.register_buffer("B", o.scale * torch.randn(o.features, math.prod(input_shape)))
        self.mlp = MLP((2 * o.features,), output_dim, o.depth, o.width, o.activation)

    def forward(self, x: Tensor) -> Tensor:
        angle = F.linear(2 * math.pi * x.flatten(1), self.B)
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=1))
