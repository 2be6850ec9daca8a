"""StarNet against timm's and against the paper's parameter counts."""

import pytest
import timm
import torch

from hpnets.models import create_model
from hpnets.models.starnet import StarBlock
from tests.models.nets import copy_weights, line, samples, scramble

COUNTS = {"s1": 2_869_168, "s2": 3_682_024, "s3": 5_750_792, "s4": 7_482_728}


@pytest.mark.parametrize("size", COUNTS)
def test_the_papers_parameter_counts(size: str) -> None:
    with torch.device("meta"):
        net = create_model("starnet", input_shape=(3, 224, 224), output_dim=1000, size=size)
    assert sum(p.numel() for p in net.parameters()) == COUNTS[size]


@pytest.mark.parametrize("size", ["s2", "s3", "s4"])
def test_every_shape_is_timms(size: str) -> None:
    with torch.device("meta"):
        net = create_model("starnet", input_shape=(3, 224, 224), output_dim=1000, size=size)
        oracle = timm.create_model(f"starnet_{size}")
    assert [v.shape for v in net.state_dict().values()] == [v.shape for v in oracle.state_dict().values()]


@pytest.mark.parametrize("training", [False, True])
def test_it_is_timms(training: bool) -> None:
    torch.manual_seed(0)
    oracle = scramble(timm.create_model("starnet_s1", num_classes=3))
    net = create_model("starnet", input_shape=(3, 64, 64), output_dim=3, size="s1")
    copy_weights(net, oracle)
    x = samples(3, (3, 64, 64))
    torch.testing.assert_close(net.train(training)(x), oracle.train(training)(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("activation", "degree"), [("none", 2), ("relu6", None)])
def test_a_block_without_activation_has_degree_two(activation: str, degree: int | None) -> None:
    torch.manual_seed(0)
    values = scramble(StarBlock(4, 4, activation).double().eval())(line(4, (4, 6, 6))).detach()
    third = values.diff(n=3, dim=0).abs().max() / values.abs().max()
    assert third < 1e-12 if degree == 2 else third > 1e-4
    assert values.diff(n=2, dim=0).abs().max() > 1e-4 * values.abs().max()
