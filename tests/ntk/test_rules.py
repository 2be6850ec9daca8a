"""Every rule, and every way of calling a layer, against the dense Jacobian; and that a rule was used, no fallback."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import ntk, plan, register_rule
from hpnets.ntk._rules import GainRule
from hpnets.ntk._rules.base import SEPARATE, outer
from tests.ntk.oracle import dense_kernel, relative, select


class Lambda(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def head(*layers: nn.Module, features: int) -> nn.Module:
    """`layers`, a nonlinearity, and a read-out of 3 logits."""
    return nn.Sequential(*layers, nn.Tanh(), nn.Flatten(), nn.Linear(features, 3))


def with_statistics(net: nn.Module) -> nn.Module:
    """Running statistics that are not 0 and 1."""
    for module in net.modules():
        if getattr(module, "running_mean", None) is not None:
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net


IMAGE, SERIES, VOLUME, TOKENS = (4, 6, 5), (4, 9), (2, 4, 3, 4), (5, 4)
CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (head(nn.Linear(4, 6), features=6), (4,)),
    "linear without bias": (head(nn.Linear(4, 6, bias=False), features=6), (4,)),
    "linear of tokens": (head(nn.Linear(4, 6), features=30), TOKENS),
    "linear of two token axes": (head(nn.Linear(4, 6), features=36), (2, 3, 4)),
    "windows as rows": (
        head(Lambda(lambda x: x.reshape(-1, 4)), nn.Linear(4, 6), Lambda(lambda x: x.reshape(-1, 5, 6)), features=30),
        TOKENS,
    ),
    "conv1d": (head(nn.Conv1d(4, 5, 3, 2, 1), features=25), SERIES),
    "conv2d": (head(nn.Conv2d(4, 5, 3, padding=1), features=150), IMAGE),
    "conv2d 1x1 on 1x1": (head(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 5, 1), features=5), IMAGE),
    "conv2d to 1x1": (head(nn.Conv2d(4, 5, (6, 5)), features=5), IMAGE),
    "conv2d strided dilated": (head(nn.Conv2d(4, 5, (3, 2), (2, 1), (2, 1), (2, 1)), features=90), IMAGE),
    "conv2d groups": (head(nn.Conv2d(4, 6, 3, padding=1, groups=2), features=180), IMAGE),
    "conv2d depthwise": (head(nn.Conv2d(4, 8, 3, padding="same", groups=4), features=240), IMAGE),
    "conv2d same dilated even": (head(nn.Conv2d(4, 2, (4, 2), padding="same", dilation=(1, 3)), features=60), IMAGE),
    "conv2d valid": (head(nn.Conv2d(4, 2, 3, padding="valid"), features=24), IMAGE),
    "conv2d circular": (head(nn.Conv2d(4, 2, 3, padding=(2, 1), padding_mode="circular"), features=80), IMAGE),
    "conv2d reflect": (head(nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect", bias=False), features=60), IMAGE),
    "conv2d replicate": (head(nn.Conv2d(4, 2, 3, padding=1, padding_mode="replicate"), features=60), IMAGE),
    "conv3d": (head(nn.Conv3d(2, 3, 2, padding=1, groups=1), features=300), VOLUME),
    "wide conv on few positions": (head(nn.Conv2d(4, 40, (5, 4)), features=160), IMAGE),
    "conv transposed 1d": (head(nn.ConvTranspose1d(4, 3, 3, 2, 1, 1), features=54), SERIES),
    "conv transposed 2d": (
        head(nn.ConvTranspose2d(4, 6, 3, 2, 1, (1, 0), groups=2, dilation=(1, 2)), features=792),
        IMAGE,
    ),
    "conv transposed 3d": (head(nn.ConvTranspose3d(2, 2, 2, 2, bias=False), features=768), VOLUME),
    "batchnorm": (with_statistics(head(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), features=36)), IMAGE),
    "batchnorm of vectors": (with_statistics(head(nn.Linear(4, 5), nn.BatchNorm1d(5), features=5)), (4,)),
    "groupnorm": (head(nn.Conv2d(4, 6, 3), nn.GroupNorm(2, 6, eps=0.1), features=72), IMAGE),
    "instancenorm": (head(nn.InstanceNorm2d(4, affine=True), features=120), IMAGE),
    "instancenorm tracked": (
        with_statistics(head(nn.InstanceNorm1d(4, affine=True, track_running_stats=True), features=36)),
        SERIES,
    ),
    "layernorm": (head(nn.Linear(4, 6), nn.LayerNorm(6), features=6), (4,)),
    "layernorm of tokens": (head(nn.LayerNorm((5, 4)), nn.LayerNorm(4, bias=False), features=20), TOKENS),
    "rmsnorm": (head(nn.RMSNorm(4, eps=0.1), features=20), TOKENS),
    "prelu": (head(nn.PReLU(4), nn.Conv2d(4, 3, 1), nn.PReLU(), features=90), IMAGE),
    "embedding": (head(Lambda(lambda x: (3 * x).abs().long().clamp(max=6)), nn.Embedding(7, 6, 2), features=24), (4,)),
}


@pytest.mark.parametrize("name", CASES)
def test_rule_equals_dense_jacobian(name: str) -> None:
    torch.manual_seed(0)
    net, shape = CASES[name]
    net = net.double().eval()
    x = torch.randn(4, *shape, dtype=torch.float64)
    full = dense_kernel(net, x)
    for outputs in ("full", "trace"):
        truth, planned = select(full, outputs), plan(net, x, outputs=outputs)
        assert planned.algorithm == "structured"
        assert "jacobian" not in {p.contraction for p in planned.parameters}, str(planned)
        assert relative(ntk(net, x, outputs=outputs), truth) < 1e-10, outputs
        assert relative(ntk(net, x[:3], x, outputs=outputs), truth[:3]) < 1e-10, outputs


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "groupnorm", "embedding", "conv transposed 2d", "linear of tokens"]
)
def test_float32(name: str) -> None:
    torch.manual_seed(0)
    net, shape = CASES[name]
    x = torch.randn(4, *shape, dtype=torch.float64)
    truth = dense_kernel(net.double().eval(), x)
    assert relative(ntk(net.float(), x.float(), outputs="full").double(), truth) < 1e-5


def test_methods_for_positions_are_all_taken() -> None:
    wide = head(nn.Conv2d(4, 40, (5, 4)), features=160)
    rules = {p.contraction for p in plan(wide, torch.randn(4, *IMAGE), outputs="full").parameters}
    assert "sandwich" in rules
    chunked = nn.Sequential(
        nn.Conv2d(4, 64, 3, padding=1), nn.Tanh(), nn.Conv2d(64, 64, 3, 3), nn.Flatten(), nn.Linear(128, 3)
    )
    chunked = chunked.double()
    x = torch.randn(6, *IMAGE, dtype=torch.float64)
    truth = dense_kernel(chunked, x)
    for outputs in ("full", "trace"):
        assert relative(ntk(chunked, x, outputs=outputs), select(truth, outputs)) < 1e-10


class Scale(nn.Module):
    """A gain, as timm's LayerScale."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.linspace(0.5, 1.5, 6))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


def covers(net: nn.Module, x: Tensor, module: str) -> bool:
    """Whether a rule of this module is in the plan."""
    return any(module in layer.modules for term in plan(net, x, outputs="full").terms for layer in term.layers)


def test_registered_rule_is_used_and_a_second_one_refused() -> None:
    net = head(nn.Linear(4, 6), Scale(), features=6).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    assert not covers(net, x, "1")
    register_rule(Scale)(GainRule)
    assert covers(net, x, "1")
    assert relative(ntk(net, x, outputs="full"), dense_kernel(net, x)) < 1e-10
    with pytest.raises(ValueError, match="Scale has a rule already"):
        register_rule(Scale)(GainRule)


@pytest.mark.parametrize("positions", [8, SEPARATE // 24 + 1])
def test_outer_products_of_few_and_of_many_positions(positions: int) -> None:
    torch.manual_seed(0)
    P = torch.randn(4, 1, positions, 5, dtype=torch.float64)
    for last in (3, 4):  # units next to each other, then positions
        G = torch.randn(3, 4, 1, 6, positions, dtype=torch.float64).transpose(4, last).contiguous().transpose(4, last)
        assert relative(outer(G, P), torch.einsum("cnqhs,nqsi->cnqhi", G, P)) < 1e-12
