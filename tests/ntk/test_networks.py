"""Whole networks, and the ways in which networks are not chains of layers, against the dense Jacobian."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.models import create_model, list_models
from hpnets.ntk import ntk, plan
from tests.models.nets import shallow
from tests.ntk.oracle import dense_kernel, relative, select
from tests.odd_modules.data_dependent import MixedUnitsLater
from tests.odd_modules.reuse import CalledAtTwoResolutions


def rules(net: nn.Module, x: Tensor) -> dict[str, str]:
    return {p.name: p.contraction for p in plan(net, x, outputs="full", algorithm="structured").parameters}


class Twice(nn.Module):
    """One layer called twice, on different inputs, and one not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.unused, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(torch.tanh(self.a(x)))))


class Tied(nn.Module):
    """Two layers with one weight and biases of their own, and a weight used as another kind of layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.b(torch.tanh(self.a(x))))
        return self.out(F.linear(torch.tanh(self.c(h)), self.c.weight.T))


class Raw(nn.Module):
    """Parameters held by the parent, in and out of a list, and one module's weight used without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.gain = nn.Linear(4, 5), nn.Parameter(torch.linspace(-1, 1, 5))
        self.factors = nn.ParameterList(torch.randn(5, 5) for _ in range(2))
        self.hidden, self.out = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x)) * self.gain
        for factor in self.factors:
            h = torch.tanh(h @ factor)
        return self.out(F.linear(h, self.hidden.weight) * torch.tanh(self.hidden(h)))


class InPlace(nn.Module):
    """ReLU in place after layers whose outputs the hooks watch, and a product in place."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.n, self.c2, self.out = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.Linear(12, 3)
        self.register_buffer("shift", torch.ones(3, 1, 1))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        h = self.n(self.c1(x)).add_(self.shift).relu_()
        return self.out((self.c2(h).relu_() + h).mul_(2).flatten(1))


class Attention(nn.Module):
    """torch's attention, which uses its read-out's weight without calling the module."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.attention, self.norm, self.out = (
            nn.MultiheadAttention(4, 2, batch_first=True),
            nn.LayerNorm(4),
            nn.Linear(4, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(torch.cat([self.token.expand(len(x), -1, -1), x], 1))
        return self.out((h + self.attention(h, h, h, need_weights=False)[0])[:, 0])


class Sequence(nn.Module):
    """Time first: the layer's first axis is not the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x.transpose(0, 1))).mean(0))


class Permuted(nn.Module):
    """A layer whose rows are the samples in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x.flip(0))).flip(0))


class OddLinear(nn.Linear):
    """A subclass that is no Linear layer: its rule must not be believed."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.weight.sum()


NETS: dict[str, tuple[nn.Module, tuple[int, ...], set[str]]] = {
    "twice": (Twice(), (4,), set()),
    "twice conv": (CalledAtTwoResolutions(), (2, 4, 4), set()),
    "tied": (Tied(), (4,), set()),
    "raw": (Raw(), (4,), set()),
    "in place": (InPlace(), (2, 4, 4), set()),
    "attention": (Attention(), (3, 4), set()),
    "time first": (Sequence(), (3, 4), set()),
    "permuted": (Permuted(), (4,), {"a.weight", "a.bias"}),
    "odd subclass": (nn.Sequential(OddLinear(4, 4), nn.Tanh(), nn.Linear(4, 3)), (4,), set()),
    "shared module": (nn.Sequential(*[nn.Linear(4, 4), nn.Tanh()] * 2, nn.Linear(4, 3)), (4,), set()),
    "one layer": (nn.Linear(4, 3), (4,), set()),
    "no read-out": (nn.Sequential(nn.Linear(4, 3), nn.Tanh()), (4,), set()),
}


@pytest.mark.parametrize("name", NETS)
def test_network_equals_dense_jacobian(name: str) -> None:
    torch.manual_seed(0)
    net, shape, fallback = NETS[name]
    net = net.double().eval()
    x = torch.randn(5, *shape, dtype=torch.float64)
    truth = dense_kernel(net, x)
    assert {p for p, rule in rules(net, x).items() if rule == "jacobian"} == fallback
    for memory in ("1GiB", "200kB"):
        assert relative(ntk(net, x, outputs="full", memory=memory), truth) < 1e-10


def test_uncalled_module_is_unused() -> None:
    net = Twice().double()
    assert rules(net, torch.randn(3, 4, dtype=torch.float64))["unused.weight"] == "unused"


def test_frozen_parameters_are_left_out() -> None:
    net = create_model("mlp", input_shape=(4,), output_dim=3, width=6).double()
    for name, p in net.named_parameters():
        p.requires_grad_(name not in ("W.0.weight", "W.1.bias", "V.weight"))
    x = torch.randn(5, 4, dtype=torch.float64)
    assert relative(ntk(net, x, outputs="full"), dense_kernel(net, x)) < 1e-10


def test_parameters_given_by_value() -> None:
    net = create_model("ccp", input_shape=(4,), output_dim=3, width=6).double()
    other = create_model("ccp", input_shape=(4,), output_dim=3, width=6).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    kernel = ntk(net, x, outputs="full", params=dict(other.named_parameters()))
    assert relative(kernel, dense_kernel(other, x)) < 1e-10


@pytest.mark.parametrize("name", list_models())
def test_registered_model(name: str) -> None:
    """In float64 by every algorithm; in float32 by the structured one and, in turn, one of the others."""
    torch.manual_seed(0)
    options = {"input_shape": (1, 8, 8), "output_dim": 3, "width": 8, **shallow(name)}
    net, x = create_model(name, **options).double().eval(), torch.randn(3, 1, 8, 8, dtype=torch.float64)
    truth, others = dense_kernel(net, x), ["jacobian", "ntkvp"]
    for algorithm in ("structured", *others):
        assert relative(ntk(net, x, outputs="full", algorithm=algorithm), truth) < 1e-10, algorithm
    net, x = net.float(), x.float()
    for algorithm in ("structured", others[list_models().index(name) % 2]):
        assert relative(ntk(net, x, outputs="full", algorithm=algorithm).double(), truth) < 1e-5, algorithm


def test_hadamard_chain_takes_the_separable_rule_and_a_mixing_one_does_not() -> None:
    x = torch.randn(3, 4)
    ccp = rules(create_model("ccp", input_shape=(4,), output_dim=3, width=6, activation="relu"), x)
    assert {rule for name, rule in ccp.items() if name.startswith("U")} == {"separable"}
    ncp = rules(create_model("ncp", input_shape=(4,), output_dim=3, width=6), x)
    assert ncp["A.3.weight"] == "separable"
    assert ncp["A.2.weight"] == "gram"


class Mean(nn.Module):
    """The mean over all axes after the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)


class Swap(nn.Module):
    """Channels second."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def test_separable_rule_is_checked_on_every_sample() -> None:
    torch.manual_seed(0)
    net = MixedUnitsLater().double()
    x = -torch.randn(5, 4, dtype=torch.float64).abs()
    x[3, 0] *= -1
    assert rules(net, x)["a.weight"] == "separable"
    assert relative(ntk(net, x, outputs="full"), dense_kernel(net, x)) < 1e-10


def foreign(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A reduced network of timm or torchvision."""
    timm = pytest.importorskip("timm")
    torchvision = pytest.importorskip("torchvision")
    if name == "resnet18":
        return timm.create_model(name, num_classes=2), (3, 32, 32)
    if name == "convnext_atto":
        return timm.create_model(name, num_classes=2, depths=(1, 1, 1, 1), dims=(8, 8, 16, 16)), (3, 32, 32)
    if name == "vit_tiny":
        options = {"img_size": 16, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 3, "num_classes": 2}
        return timm.create_model("vit_tiny_patch16_224", **options), (3, 16, 16)
    return torchvision.models.mobilenet_v3_small(num_classes=2, width_mult=0.5), (3, 32, 32)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vit_tiny", "mobilenet_v3_small"])
def test_foreign_network(name: str) -> None:
    torch.manual_seed(0)
    net, shape = foreign(name)
    net = net.double().eval()
    x = torch.randn(2, *shape, dtype=torch.float64)
    truth = dense_kernel(net, x)
    assert relative(ntk(net, x, outputs="full"), truth) < 1e-10
    assert relative(ntk(net.float(), x.float(), outputs="full").double(), truth) < 1e-5


POOLED: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "conv": (
        nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 6, 3, 2), nn.BatchNorm2d(6), nn.Tanh()),
        (2, 6, 6),
    ),
    "conv without bias": (nn.Sequential(nn.Conv2d(2, 6, 3, bias=False), nn.Tanh()), (2, 6, 6)),
    "tokens": (nn.Sequential(nn.Linear(4, 6), nn.Tanh(), Swap()), (5, 4)),
}


@pytest.mark.parametrize("name", POOLED)
def test_separable_layers_before_a_pooling(name: str) -> None:
    torch.manual_seed(0)
    body, shape = POOLED[name]
    net = nn.Sequential(body, Mean(), nn.Linear(6, 3)).double().eval()
    x = torch.randn(20, *shape, dtype=torch.float64)
    assert "pooled" in rules(net, x).values()
    full = dense_kernel(net, x)
    bias = {key: p for key, p in net.named_parameters() if key.endswith("bias")}
    for outputs in ("full", "trace", "sum"):
        truth = select(full, outputs)
        assert relative(ntk(net, x, outputs=outputs), truth) < 1e-10, outputs
        assert relative(ntk(net, x[:3], x, outputs=outputs), truth[:3]) < 1e-10, outputs
        alone = ntk(net, x, outputs=outputs, params=bias)
        assert relative(alone, ntk(net, x, outputs=outputs, params=bias, algorithm="jacobian")) < 1e-10, outputs
