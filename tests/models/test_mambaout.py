"""MambaOut against timm's."""

import pytest
import timm
import torch

from hpnets.models import create_model
from hpnets.models.mambaout import GatedBlock
from tests.models.nets import copy_weights, samples, scramble


@pytest.mark.parametrize("size", ["femto", "kobe"])
def test_it_is_timms(size: str) -> None:
    torch.manual_seed(0)
    oracle = scramble(timm.create_model(f"mambaout_{size}", num_classes=3)).eval()
    net = create_model("mambaout", input_shape=(3, 64, 64), output_dim=3, size=size).eval()
    copy_weights(net, oracle)
    x = samples(2, (3, 64, 64))
    torch.testing.assert_close(net(x), oracle(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_the_other_sizes_have_timms_shapes(size: str) -> None:
    with torch.device("meta"):
        oracle = timm.models.mambaout.MambaOut(**ARGUMENTS[size], num_classes=3)
    net = create_model("mambaout", input_shape=(3, 64, 64), output_dim=3, size=size)
    assert [v.shape for v in net.state_dict().values()] == [v.shape for v in oracle.state_dict().values()]


ARGUMENTS = {
    "tiny": {"depths": (3, 3, 9, 3), "dims": (96, 192, 384, 576)},
    "small": {"depths": (3, 4, 27, 3), "dims": (96, 192, 384, 576)},
    "base": {"depths": (3, 4, 27, 3), "dims": (128, 256, 512, 768)},
}


def test_block_is_gate_times_the_rest() -> None:
    torch.manual_seed(0)
    block, x = GatedBlock(6, "silu").double(), samples(2, (5, 5, 6), torch.float64)
    g, i, c = block.W_1(block.norm(x)).split([16, 10, 6], 3)
    gated = torch.nn.functional.silu(g) * torch.cat([i, block.dw(c.movedim(3, 1)).movedim(1, 3)], 3)
    assert torch.allclose(block(x), x + block.W_2(gated), rtol=1e-12)


@pytest.mark.parametrize(
    ("size", "millions"), [("femto", 7.3), ("kobe", 9.1), ("tiny", 26.5), ("small", 48.5), ("base", 84.8)]
)
def test_the_papers_parameter_counts(size: str, millions: float) -> None:
    with torch.device("meta"):
        net = create_model("mambaout", input_shape=(3, 224, 224), output_dim=1000, size=size)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
