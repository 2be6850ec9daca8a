"""Pi-net, PDC, R-PolyNet, D-PolyNet: their blocks' formulas, their degrees, the residual nets they reduce to."""

from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from hpnets.models.backbone import BasicBlock, ResidualNet, StageOptions
from hpnets.models.pdc import PDCBlock, PDCOptions
from hpnets.models.pinet import PiBlock, PiNetOptions
from hpnets.models.polynet import DPolyBlock, RPolyBlock, RPolyNetOptions
from hpnets.ntk import ntk
from hpnets.option_sets import OptionSet
from tests.models.nets import IMAGE, line, samples, scramble, small

FAMILIES = ["pinet", "pdc", "rpolynet", "dpolynet"]
MAPS = (4, 6, 6)


def block(kind: Any, options: Any, activation: str = "none") -> Any:
    torch.manual_seed(0)
    return scramble(kind(4, 5, 2, replace(options, activation=activation)).double().eval())


def second_degree_term(b: BasicBlock, x: Tensor) -> Tensor:
    """What the block's formula adds to the residual block's sum."""
    o, sc = b.bn2(b.conv2(b.act(b.bn1(b.conv1(x))))), b.downsample(x)
    if isinstance(b, PiBlock):
        return b.bn(b.mix(o * sc))
    if isinstance(b, PDCBlock):
        pairs = cast(list[tuple[nn.Module, nn.Module]], b.u)
        u_1, u_2 = (bn(conv(x)) for conv, bn in pairs)
        return b.alpha * (u_1 * u_2)
    assert isinstance(b, RPolyBlock)
    return b.alpha * b.bn(b.mix(o * b.norm(sc)))


KINDS = [
    (PiBlock, PiNetOptions(conv1x1=False)),
    (PiBlock, PiNetOptions(conv1x1=True)),
    (PDCBlock, PDCOptions(alpha0=0.7)),
    (RPolyBlock, RPolyNetOptions(alpha0=0.7)),
]


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_block_is_its_formula(kind: type[BasicBlock], options: OptionSet, activation: str) -> None:
    b, x = block(kind, options, activation), samples(2, MAPS, torch.float64)
    o, sc = b.bn2(b.conv2(b.act(b.bn1(b.conv1(x))))), b.downsample(x)
    assert torch.allclose(b(x), b.act(o + sc + second_degree_term(b, x)), rtol=1e-12, atol=1e-12)
    assert (b(x) - b.act(o + sc)).abs().max() > 1e-2


def test_d_polynet_block_multiplies_with_the_previous_term() -> None:
    b, x = block(DPolyBlock, RPolyNetOptions(alpha0=0.7)), samples(2, MAPS, torch.float64)
    p = torch.randn(2, *MAPS, dtype=torch.float64)
    o, sc = b.branch(x), b.downsample(x)
    q = o * b.norm(sc)
    t = q * b.dense[1](b.dense[0](p))
    y, measured = b.step(x, p)
    assert torch.allclose(measured, t)
    assert torch.allclose(y, o + sc + 0.7 * b.bn(b.mix(q)) + 0.7 * t)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_block_has_degree_two(kind: type[BasicBlock], options: OptionSet) -> None:
    values = block(kind, options)(line(4, MAPS)).detach()
    assert values.diff(n=3, dim=0).abs().max() < 1e-11 * values.abs().max()
    assert values.diff(n=2, dim=0).abs().max() > 1e-3 * values.abs().max()


@pytest.mark.parametrize("name", FAMILIES[1:])
def test_closed_gates_leave_the_residual_net(name: str) -> None:
    net = scramble(small(name, activation="relu", alpha0=0.0))
    plain = ResidualNet(IMAGE, 3, partial(BasicBlock, norm="batch", activation="relu"), 6, (1, 1, 1), "batch", "relu")
    plain.load_state_dict({key: net.state_dict()[key] for key in plain.state_dict()})
    assert torch.equal(net(samples()), plain.eval()(samples()))
    assert not torch.allclose(scramble(small(name, activation="relu", alpha0=0.5))(samples()), net(samples()))


def test_d_polynet_with_theta_zero_is_r_polynet() -> None:
    net, r = scramble(small("dpolynet", activation="relu")), small("rpolynet", activation="relu")
    r.load_state_dict({key: net.state_dict()[key] for key in r.state_dict()})
    assert not torch.allclose(net(samples()), r(samples()))
    for key, p in net.named_parameters():
        if key.endswith("theta"):
            nn.init.zeros_(p)
    assert torch.equal(net(samples()), r(samples()))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_papers_size_has_eighteen_layers(name: str) -> None:
    net = small(name, size="18", width=2)
    assert [len(net.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [2, 2, 2, 2]
    assert net.get_parameter("fc.weight").shape == (3, 16)
    assert StageOptions("18").stages() == (64, (2, 2, 2, 2))


SECOND_ORDER = ["pinet", "rpolynet", "dpolynet"]


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("name", SECOND_ORDER)
def test_the_blocks_share_the_variance(name: str, norm: str) -> None:
    for size, blocks in (("mini", 3), ("18", 8)):
        weights = dict(small(name, size=size, norm=norm).named_parameters())
        gains = [p for key, p in weights.items() if key.split(".")[2:] in (["bn2", "weight"], ["bn", "weight"])]
        assert len(gains) == 2 * blocks
        assert all(torch.equal(p, torch.full_like(p, blocks**-0.5)) for p in gains)


@pytest.mark.parametrize(("size", "side"), [("mini", 8), ("mini", 28), ("18", 8), ("18", 32)])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_start_is_moderate_in_eval_mode(name: str, size: str, side: int) -> None:
    """Up to 256 degrees, before BN has seen a batch, on noise and on what is smooth: all of one brightness."""
    shape = (3, side, side)
    net = small(name, size=size, width=None, input_shape=shape, activation="none")
    x = torch.cat([samples(2, shape), samples(2, (3, 1, 1)).expand(2, *shape)])
    with torch.no_grad():
        y = net(x)
    assert 1e-3 < y.abs().max() < 1e3


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_without_shared_variance_eighteen_layers_explode(name: str) -> None:
    net = small(name, size="18", width=None)
    for key, p in net.named_parameters():
        if key.endswith(("bn.weight", "bn2.weight")):
            nn.init.ones_(p)
    with torch.no_grad():
        assert not net(samples(2)).abs().max() < 1e6  # NaN included


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_the_kernel_of_eighteen_layers_at_the_start_is_finite(name: str) -> None:
    kernel = ntk(small(name, size="18", width=8), samples(3), outputs="trace")
    assert kernel.isfinite().all()
    assert (torch.linalg.eigvalsh(kernel.double()) > 0).all()


@pytest.mark.parametrize("alpha0", [float("nan"), float("inf"), "1", True, None])
@pytest.mark.parametrize("name", FAMILIES[1:])
def test_gates_that_are_no_numbers_are_refused(name: str, alpha0: float) -> None:
    with pytest.raises(ValueError, match=rf"alpha0 is {alpha0!r}; allowed: a finite number"):
        small(name, alpha0=alpha0)
