"""Normalisations of feature vectors by name."""

from torch import nn

from hpnets.layers.checks import one_of


def norm1d(name: str, features: int) -> nn.Module:
    """ "batch", "layer" or "none", for (N, features); only "none" and "batch" in eval mode keep a polynomial one."""
    one_of("norm", name, ("batch", "layer", "none"))
    if name == "batch":
        return nn.BatchNorm1d(features)
    return nn.LayerNorm(features) if name == "layer" else nn.Identity()
