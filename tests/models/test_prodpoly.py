"""ProdPoly: a composition of CCP nets, whose degrees multiply."""

import pytest
import torch
from torch import nn

from hpnets.models.ccp import CCP
from tests.models.nets import samples, small


@pytest.mark.parametrize("activation", ["none", "relu"])
def test_it_composes_ccp_nets(activation: str) -> None:
    net = small("prodpoly", blocks=3, degree=3, activation=activation).double()
    h = samples(dtype=torch.float64)
    for b, (inputs, outputs) in enumerate([(64, 6), (6, 6), (6, 3)]):
        ccp = CCP((inputs,), outputs, degree=3, width=6, activation=activation).double()
        ccp.load_state_dict(net.CCP[b].state_dict())
        h = ccp(h)
    torch.testing.assert_close(net(samples(dtype=torch.float64)), h, rtol=1e-12, atol=1e-12)


def test_norms_stand_between_the_blocks_only() -> None:
    kinds = [type(m) for m in small("prodpoly", blocks=3, norm="layer").modules()]
    assert kinds.count(nn.LayerNorm) == 2


@pytest.mark.parametrize("key", ["blocks", "degree"])
def test_sizes_below_one_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} is 0; allowed: an integer >= 1"):
        small("prodpoly", **{key: 0})
