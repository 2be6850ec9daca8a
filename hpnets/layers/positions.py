"""Normalisation of a feature map position by position, by statistics of the batch."""

import torch
from torch import Tensor, nn


class PositionNorm(nn.Module):
    r"""g_c g_p (h_cp - mean_p) (var_p + eps)^(-1/2), mean and variance over samples and channels at a position p.

    h: (batch, channels, height, width), all but the batch as it is built for. In eval mode mean and variance are the
    running ones, so that the map is affine; g_c and g_p, a gain a channel and one a position, are 1 at the start.
    Source: Wang, Gregory and Chrysos 2026 (arXiv 2605.20839), the norm of its fully polynomial nets.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(height * width, affine=False)
        self.g_c = nn.Parameter(torch.ones(channels, 1, 1))
        self.g_p = nn.Parameter(torch.ones(height, width))

    def forward(self, h: Tensor) -> Tensor:
        positions = h.flatten(2).transpose(1, 2)  # BatchNorm1d takes the statistics of axis 1, over the other two
        return self.norm(positions).transpose(1, 2).unflatten(2, self.g_p.shape) * self.g_c * self.g_p
