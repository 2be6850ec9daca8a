"""VAN: its attention's formula, field and degree, and the size of VAN-B0."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hpnets.models import create_model
from hpnets.models.van import LKA, VANBlock
from tests.models.nets import line, samples, scramble


def test_lka_is_its_formula_and_has_degree_two() -> None:
    torch.manual_seed(0)
    layer, u = LKA(4).double(), line(4, (4, 9, 9))
    h = F.conv2d(u, layer.dw.weight, layer.dw.bias, padding=2, groups=4)
    h = F.conv2d(h, layer.dwd.weight, layer.dwd.bias, padding=9, dilation=3, groups=4)
    h = torch.einsum("oi,nihw->nohw", layer.conv1x1.weight[..., 0, 0], h) + layer.conv1x1.bias[:, None, None]
    y = layer(u).detach()
    assert torch.allclose(y, u * h, rtol=1e-10, atol=1e-12)
    assert y.diff(n=3, dim=0).abs().max() < 1e-12 * y.abs().max()
    assert y.diff(n=2, dim=0).abs().max() > 1e-3 * y.abs().max()


def test_lka_sees_23_by_23() -> None:
    torch.manual_seed(0)
    layer = LKA(1).double()
    u = torch.ones(1, 1, 41, 41, dtype=torch.float64, requires_grad=True)
    layer(u)[0, 0, 20, 20].backward()
    assert u.grad is not None
    rows = u.grad[0, 0].abs().sum(1).nonzero()
    assert (int(rows.min()), int(rows.max())) == (9, 31)


@pytest.mark.parametrize("activation", ["gelu", "none"])
def test_block_is_its_formula(activation: str) -> None:
    torch.manual_seed(0)
    block, x = scramble(VANBlock(4, 2, activation).double().eval()), samples(2, (4, 6, 6), torch.float64)
    nn.init.normal_(block.a), nn.init.normal_(block.b)
    s = F.gelu if activation == "gelu" else nn.Identity()
    h = block.norm1(x)
    u = s(block.P_1(h))
    y = x + block.a * (h + block.P_2(u * block.lka.conv1x1(block.lka.dwd(block.lka.dw(u)))))
    y = y + block.b * block.M_2(s(block.dw(block.M_1(block.norm2(y)))))
    assert torch.allclose(block(x), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("size", "millions"), [("b0", 4.1), ("b1", 13.9), ("b2", 26.6), ("b3", 44.8)])
def test_the_papers_parameter_counts(size: str, millions: float) -> None:
    with torch.device("meta"):
        net = create_model("van", input_shape=(3, 224, 224), output_dim=1000, size=size)
    count = sum(p.numel() for p in net.parameters())
    assert round(count / 1e6, 1) == millions
    assert size != "b0" or count == 4_105_800  # the authors' model, to the parameter
