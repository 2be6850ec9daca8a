"""Softmax-free attention against its formula, and its degree."""

import pytest
import torch

from hpnets.models.linear_attention import Attention
from tests.models.nets import line, samples, small


@pytest.mark.parametrize("heads", [1, 3])
def test_formula(heads: int) -> None:
    torch.manual_seed(0)
    layer, x = Attention(6, heads).double(), samples(2, (5, 6), torch.float64)
    out = []
    for h in range(heads):
        rows = slice(h * 6 // heads, (h + 1) * 6 // heads)
        Q, K, V = (x @ W.weight[rows].T for W in (layer.W_Q, layer.W_K, layer.W_V))
        out.append((Q @ K.transpose(1, 2)) @ V / 5)
    assert torch.allclose(layer(x), torch.cat(out, 2) @ layer.O.weight.T, rtol=1e-12, atol=1e-12)


def test_attention_has_degree_three() -> None:
    torch.manual_seed(0)
    values = Attention(6, 2).double()(line(5, (5, 6))).detach()
    assert values.diff(n=4, dim=0).abs().max() < 1e-12 * values.abs().max()
    assert values.diff(n=3, dim=0).abs().max() > 1e-3 * values.abs().max()


def test_tokens_can_be_permuted() -> None:
    layer, x = Attention(6, 2), samples(2, (5, 6))
    assert torch.allclose(layer(x.flip(1)), layer(x).flip(1), atol=1e-6)


def test_positions_tell_patches_apart() -> None:
    net, x = small("linear_attention"), samples()
    swapped = torch.cat([x[..., 4:], x[..., :4]], 3)
    assert not torch.allclose(net(swapped), net(x))
    net.get_parameter("p").data.zero_()
    assert torch.allclose(net(swapped), net(x), atol=1e-6)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="heads is 4; allowed: a divisor of width, 6"):
        small("linear_attention", heads=4)
    with pytest.raises(ValueError, match=r"norm is 'batch'; allowed: layer, none"):
        small("linear_attention", norm="batch")
    with pytest.raises(ValueError, match=r"input_shape is \(1, 8, 8\); allowed: images .* of at least 9x9"):
        small("linear_attention", patch=9)
