"""The vocabulary: products, activations, norms, checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpnets.layers import hadamard, make_activation, norm2d

FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "relu": lambda x: x.clamp_min(0),
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "silu": lambda x: x / (1 + (-x).exp()),
}


def test_hadamard_is_elementwise() -> None:
    a, b = torch.randn(2, 3, 5)
    assert torch.equal(hadamard(a, b), torch.stack([a[i] * b[i] for i in range(3)]))


@pytest.mark.parametrize("name", FORMULAS)
def test_activations(name: str) -> None:
    x = torch.randn(50)
    before = x.clone()
    torch.testing.assert_close(make_activation(name)(x), FORMULAS[name](x))
    assert torch.equal(x, before)
    assert make_activation(name) is not make_activation(name)


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="activation is 'rleu'; did you mean relu"):
        make_activation("rleu")


@pytest.mark.parametrize(("channels", "groups"), [(64, 8), (16, 8), (12, 4), (6, 2), (5, 1), (1, 1)])
def test_group_norm_takes_any_number_of_channels(channels: int, groups: int) -> None:
    norm = norm2d("group", channels)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == groups
    assert norm(torch.randn(2, channels, 4, 4)).shape == (2, channels, 4, 4)


def test_other_norms() -> None:
    x = torch.randn(2, 4, 3, 3)
    assert isinstance(norm2d("batch", 4), nn.BatchNorm2d)
    assert norm2d("none", 4)(x) is x
    with pytest.raises(ValueError, match="norm is 'layer'; allowed: batch, group, none"):
        norm2d("layer", 4)
