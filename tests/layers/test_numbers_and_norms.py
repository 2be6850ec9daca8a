"""The normalisations of feature vectors."""

import pytest
import torch
from torch import nn

from hpnets.layers import norm1d


@pytest.mark.parametrize(("name", "axis"), [("batch", 0), ("layer", 1)])
def test_norms_standardise_their_axis(name: str, axis: int) -> None:
    y = norm1d(name, 6)(5 + 3 * torch.randn(32, 6, generator=torch.Generator().manual_seed(0)))
    assert y.mean(axis).abs().max() < 1e-5
    assert (y.var(axis, correction=0) - 1).abs().max() < 1e-3
    assert y.mean(1 - axis).abs().max() > 0.01


def test_none_and_unknown_norms() -> None:
    assert isinstance(norm1d("none", 6), nn.Identity)
    with pytest.raises(ValueError, match="norm is 'bach'; did you mean batch"):
        norm1d("bach", 6)
