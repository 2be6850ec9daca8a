"""Normalisations of feature vectors and of feature maps by name."""

import math

from torch import nn

from hpnets.validate import one_of

NORMS_1D, NORMS_2D = ("batch", "layer", "none"), ("batch", "group", "none")


def norm1d(name: str, features: int) -> nn.Module:
    """ "batch", "layer" or "none", for (N, features); only "none" and "batch" in eval mode keep a polynomial one."""
    one_of("norm", name, NORMS_1D)
    if name == "batch":
        return nn.BatchNorm1d(features)
    return nn.LayerNorm(features) if name == "layer" else nn.Identity()


def norm2d(name: str, channels: int) -> nn.Module:
    """ "batch", "group" (8 groups, fewer where they do not divide the channels) or "none", for (N, channels, H, W).

    Only "none" and "batch" in eval mode keep a polynomial network polynomial.
    """
    one_of("norm", name, NORMS_2D)
    if name == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(math.gcd(8, channels), channels) if name == "group" else nn.Identity()
