"""Random Fourier features of the coordinates before an MLP."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.models.mlp import MLP
from hpnets.models.registry import register_model
from hpnets.validate import at_least, positive


@register_model("fourier_features")
class FourierFeatures(nn.Module):
    r"""MLP of frozen random sinusoids of the coordinates.

        gamma(x) = [cos(2 pi B x), sin(2 pi B x)];   f = MLP(gamma(x));   B ~ N(0, scale^2), never trained

    x: (batch, *input_shape), flattened to coordinates in R^d; B: (features, d); gamma: (batch, 2 features), |gamma|^2 =
    features; f: (batch, output_dim). `scale` is in cycles a unit of x; depth, width and activation are the MLP's.

    Raises ValueError for features < 1, depth < 0, width < 1, a scale that is no number > 0 or an unknown activation.
    Source: Tancik et al. 2020, "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional
    Domains" (arXiv 2006.10739). Ours differs: no sigmoid on f, which is any output and not a color.
    """

    B: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        features: int = 128,
        scale: float = 1.0,
        depth: int = 2,
        width: int = 128,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        at_least("features", features, 1)
        self.register_buffer("B", positive("scale", scale) * torch.randn(features, math.prod(input_shape)))
        self.mlp = MLP((2 * features,), output_dim, depth, width, activation)

    def forward(self, x: Tensor) -> Tensor:
        angle = F.linear(2 * math.pi * x.flatten(1), self.B)
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=1))
