"""Doubling and halving the resolution of feature maps, with a low-pass filter that prevents checkerboard patterns."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Resample2d(nn.Module):
    r"""Twice or half the resolution, filtered by h = (1, 3, 3, 1) x (1, 3, 3, 1) / 64.

        doubled: zeros between the pixels, then 4 h conv;   halved: h conv, then every second pixel

    x: (batch, C, H, W) to (batch, C, 2H, 2W) or (batch, C, H/2, W/2), H and W even; zeros outside the map.
    Source: Karras et al. 2020 (StyleGAN2, arXiv 1912.04958), appendix B, and Zhang 2019 (arXiv 1904.11486).
    """

    h: Tensor

    def __init__(self, up: bool) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.up = up
        self.register_buffer("h", torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        h = self.h.expand(channels, 1, 4, 4)
        if self.up:
            return F.conv_transpose2d(x, 4 * h, stride=2, padding=1, groups=channels)
        return F.conv2d(x, h, stride=2, padding=1, groups=channels)
