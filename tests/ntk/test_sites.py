"""Parameters that no module's rule covers, where functions use them: exact, by factors, in one block and in tiles."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from hpnets.ntk import Outputs, UnprovenWarning, ntk, plan
from tests.ntk.odd_truth import with_least_memory
from tests.ntk.oracle import dense_kernel, relative, select


class Function(nn.Module):
    """f(parameters, x) with raw parameters of these shapes, a nonlinearity, and a read-out of 3 logits."""

    def __init__(self, f: Callable[..., Tensor], *shapes: tuple[int, ...], features: int, **modules: nn.Module) -> None:
        super().__init__()
        self.f, self.raw = f, nn.ParameterList(torch.rand(shape) + 0.5 for shape in shapes)
        self.held, self.out = nn.ModuleDict(modules), nn.Linear(features, 3)

    def forward(self, x: Tensor) -> Tensor:
        given = [*self.raw, *self.held.values()]
        return self.out(torch.tanh(self.f(x, *given)).flatten(1))


def standardised(w: Tensor, gain: Tensor) -> Tensor:
    """Filters of mean 0 and variance 1, times a gain."""
    variance, mean = torch.var_mean(w, (1, 2, 3), keepdim=True)
    return gain * (w - mean) * torch.rsqrt(variance + 1e-5)


def attention(layer: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """Self-attention, its first token."""
    tokens = x if layer.batch_first else x.transpose(0, 1)
    y = layer(tokens, tokens, tokens, need_weights=False)[0]
    return y[:, 0] if layer.batch_first else y[0]


class NormAct(nn.BatchNorm2d):
    """As timm's BatchNormAct2d: the activation is inside."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(super().forward(x), inplace=True)


IMAGE, TOKENS, VECTOR = (4, 5, 6), (3, 4), (4,)
MEAN, VARIANCE = torch.tensor([0.1, 0.2, 0.3, 0.4]).double(), torch.tensor([0.5, 1.0, 1.5, 2.0]).double()
INDEX = torch.tensor([[0, 1, 2], [3, 0, 1], [4, 3, 0]])
CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (Function(lambda x, w, b: F.linear(x, w, b), (5, 4), (5,), features=5), VECTOR),
    "linear of tokens": (Function(lambda x, w, b: F.linear(x, w, b), (5, 4), (5,), features=15), TOKENS),
    "linear of tokens first": (Function(lambda x, w: F.linear(x.mT, w).mT, (5, 3), features=20), TOKENS),
    "linear, tokens before samples": (
        Function(lambda x, w, b: F.linear(x.transpose(0, 1), w, b)[1], (5, 4), (5,), features=5),
        TOKENS,
    ),
    "linear, rows of samples inside": (
        Function(
            lambda x, w: F.linear(x.transpose(0, 1).reshape(-1, 4), w).view(3, -1, 5).transpose(0, 1),
            (5, 4),
            features=15,
        ),
        TOKENS,
    ),
    "linear twice": (Function(lambda x, w: F.linear(F.linear(x, w).sin(), w), (4, 4), features=4), VECTOR),
    "linear and its transpose": (
        Function(lambda x, w: F.linear(F.linear(x, w).sin(), w.T), (5, 4), features=4),
        VECTOR,
    ),
    "linear, rows in another order": (
        Function(lambda x, w, b: F.linear(x, w[[2, 0, 1]], b[[1, 0, 2]]), (3, 4), (3,), features=3),
        VECTOR,
    ),
    "linear, a slice": (
        Function(lambda x, w, b: F.linear(x, w[1:, :4], b[:2]), (3, 5), (3,), features=6),
        TOKENS,
    ),
    "linear, bias and weight of one": (
        Function(lambda x, w: F.linear(x, w[:, :4], w[:, 4]), (3, 5), features=3),
        VECTOR,
    ),
    "matmul": (Function(lambda x, w: x @ w, (4, 5), features=15), TOKENS),
    "matmul from the left": (Function(lambda x, w: w @ x, (5, 3), features=20), TOKENS),
    "addmm": (Function(lambda x, b, w: torch.addmm(b, x, w), (5,), (4, 5), features=5), VECTOR),
    "einsum": (Function(lambda x, w: torch.einsum("nti,ijk,ntj->nk", x, w, x), (4, 4, 2), features=2), TOKENS),
    "bilinear": (Function(lambda x, w: F.bilinear(x, x.sin(), w), (5, 4, 4), features=5), VECTOR),
    "conv1d": (Function(lambda x, w, b: F.conv1d(x, w, b, 2, 1), (2, 3, 3), (2,), features=4), TOKENS),
    "conv2d": (
        Function(lambda x, w: F.conv2d(x, w, padding="same", dilation=2, groups=2), (6, 2, 3, 3), features=180),
        IMAGE,
    ),
    "conv transposed": (
        Function(lambda x, w: F.conv_transpose2d(x, w, stride=2, output_padding=1), (4, 1, 2, 2), features=143),
        IMAGE,
    ),
    "standardised conv": (
        Function(
            lambda x, w, g, b: F.conv2d(x, standardised(w, g), b, padding=1),
            (3, 4, 3, 3),
            (3, 1, 1, 1),
            (3,),
            features=90,
        ),
        IMAGE,
    ),
    "weight norm": (
        Function(lambda x, m: m(x), features=15, m=parametrizations.weight_norm(nn.Linear(4, 5))),
        TOKENS,
    ),
    "low rank": (Function(lambda x, a, b: x @ a @ b, (4, 2), (2, 5), features=15), TOKENS),
    "low rank, made first": (Function(lambda x, a, b: F.linear(x, a @ b), (5, 2), (2, 4), features=15), TOKENS),
    "batch norm": (
        Function(lambda x, w, b: F.batch_norm(x, MEAN.to(x), VARIANCE.to(x), w, b), (4,), (4,), features=120),
        IMAGE,
    ),
    "batch norm with activation": (Function(lambda x, m: m(x), features=120, m=NormAct(4)), IMAGE),
    "group norm": (Function(lambda x, w, b: F.group_norm(x, 2, w, b).relu(), (4,), (4,), features=120), IMAGE),
    "instance norm": (Function(lambda x, w, b: F.instance_norm(x, None, None, w, b), (4,), (4,), features=120), IMAGE),
    "layer norm of channels": (
        Function(lambda x, w, b: F.layer_norm(x.movedim(1, -1), (4,), w, b).movedim(-1, 1), (4,), (4,), features=120),
        IMAGE,
    ),
    "layer norm by hand": (
        Function(
            lambda x, w, b: (x - x.mean(1, True)) * w[:, None, None] + b.view(1, -1, 1, 1), (4,), (4,), features=120
        ),
        IMAGE,
    ),
    "rms norm": (Function(lambda x, w: F.rms_norm(x, (4,), w, eps=0.1), (4,), features=12), TOKENS),
    "embedding": (Function(lambda x, w: F.embedding(x.abs().long() % 3, w), (3, 2), features=24), TOKENS),
    "positions": (Function(lambda x, p: x + p, (1, 3, 4), features=12), TOKENS),
    "positions in place": (Function(lambda x, p: x.sin().add_(p), (3, 4), features=12), TOKENS),
    "token": (Function(lambda x, t: torch.cat([t.expand(len(x), -1, -1), x], 1), (1, 1, 4), features=16), TOKENS),
    "token repeated": (
        Function(lambda x, t: torch.cat([t.repeat(len(x), 1, 1), x], 1), (1, 2, 4), features=20),
        TOKENS,
    ),
    "layer scale": (Function(lambda x, g: x + x.sin() * g, (4,), features=12), TOKENS),
    "layer scale in place": (Function(lambda x, g: x.sin().mul_(g), (4,), features=12), TOKENS),
    "layer scale of channels": (Function(lambda x, g: g.reshape(1, -1, 1, 1) * x, (4,), features=120), IMAGE),
    "gain": (Function(lambda x, g: g.exp() * x, (), features=12), TOKENS),
    "division": (Function(lambda x, g: x / g, (4,), features=12), TOKENS),
    "subtraction": (Function(lambda x, g: 1 - (g - x), (4,), features=12), TOKENS),
    "where": (Function(lambda x, d: torch.where(x > 0, x, d), (4,), features=12), TOKENS),
    "slopes": (Function(lambda x, a: F.prelu(x, a), (3,), features=12), TOKENS),
    "used twice": (Function(lambda x, g: (x * g).sin() + g, (4,), features=12), TOKENS),
    "a table of positions": (Function(lambda x, t: (x @ x.mT + t[INDEX]).softmax(-1) @ x, (5,), features=12), TOKENS),
    "a table as a fused mask": (
        Function(lambda x, t: F.scaled_dot_product_attention(x, x, x, attn_mask=t[INDEX][None]), (5,), features=12),
        TOKENS,
    ),
    "lstm": (
        Function(
            lambda x, m: m(x)[0], features=24, m=nn.LSTM(4, 4, num_layers=2, bidirectional=True, batch_first=True)
        ),
        TOKENS,
    ),
    "gru, time before samples": (
        Function(lambda x, m: m(x.transpose(0, 1))[1][0], features=4, m=nn.GRU(4, 4, bias=False)),
        TOKENS,
    ),
    "rnn": (Function(lambda x, m: m(x)[0], features=12, m=nn.RNN(4, 4, batch_first=True)), TOKENS),
    "attention": (
        Function(lambda x, m: attention(m, x), features=4, m=nn.MultiheadAttention(4, 2, batch_first=True)),
        TOKENS,
    ),
    "attention, tokens before samples": (
        Function(lambda x, m: attention(m, x), features=4, m=nn.MultiheadAttention(4, 2)),
        TOKENS,
    ),
}


def structured(net: nn.Module, x1: Tensor, x2: Tensor | None, outputs: Outputs, memory: int | str = "1GiB") -> Tensor:
    return ntk(net, x1, x2, outputs=outputs, algorithm="structured", memory=memory)


@pytest.mark.parametrize("name", CASES)
def test_sites_equal_the_dense_jacobian(name: str, recwarn: pytest.WarningsRecorder) -> None:
    torch.manual_seed(0)
    net, shape = CASES[name]
    net = net.double().eval()
    x1, x2 = torch.randn(7, *shape).double().split([4, 3])
    made = plan(net, x1, outputs="full", algorithm="structured")
    assert not {"jacobian", "loop"} & {p.contraction for p in made.parameters}, str(made)
    kernel, turn = dense_kernel(net, torch.cat([x1, x2])), list(CASES).index(name) % 2
    for i, (outputs, others) in enumerate((("full", None), ("trace", x2), ("trace", None), ("full", x2))):
        truth = select(kernel[:4, :4] if others is None else kernel[:4, 4:], outputs)
        assert relative(structured(net, x1, others, outputs), truth) < 1e-10
        if i // 2 == turn:  # the others of the next case
            tiled = with_least_memory(partial(structured, net, x1, others, outputs))
            assert relative(tiled, truth) < 1e-10
    assert not [w for w in recwarn if "which is slower" in str(w.message) or "raised" in str(w.message)]


def test_values_of_parameters_reach_what_is_computed_from_them() -> None:
    net = deepcopy(CASES["standardised conv"][0]).double()
    x = torch.randn(3, *IMAGE).double()
    other = {name: p.detach() * 2 + 0.1 for name, p in net.named_parameters()}
    result = ntk(net, x, outputs="full", algorithm="structured", params=other)
    net.load_state_dict(other)
    assert relative(result, dense_kernel(net, x)) < 1e-10


def test_weights_in_another_order_keep_the_contractions_of_their_layer() -> None:
    for name in ("linear", "matmul", "linear, rows in another order", "low rank"):
        net, shape = CASES[name]
        x = torch.randn(3, *shape).double()
        raw = [p for p in plan(net.double(), x, outputs="full").parameters if p.name.startswith("raw")]
        allowed = {"gram"} if shape == VECTOR else {"gradient", "sandwich", "chunks"}
        assert {p.contraction for p in raw} <= allowed, name


# Of timm: what the nets are there for.
FOREIGN = {
    "test_byobnet": "BatchNorm with activation",
    "test_efficientnet_evos": "EvoNorm",
    "test_efficientnet_gn": "GroupNorm with activation",
    "test_efficientnet_ln": "LayerNorm of channels with activation",
    "test_convnext": "LayerNorm of channels, layer scale",
    "test_nfnet": "weight-standardised convolutions, gains",
    "test_vit": "positions, class token",
    "test_vit2": "register tokens, layer scale",
    "test_vit_relpos": "relative positions by a network on constants",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_nets_need_no_jacobian(name: str) -> None:
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3).double().eval()
    for p in net.parameters():
        nn.init.normal_(p, 0.0, 0.2) if p.ndim < 2 else None
    x = torch.randn(2, *net.default_cfg["input_size"]).double()
    made = plan(net, x, outputs="trace", algorithm="structured", memory="8GiB")
    assert not [p.name for p in made.parameters if p.contraction in ("jacobian", "loop", "unused")]


def test_tables_of_windowed_attention_need_no_jacobian() -> None:
    torch.manual_seed(0)
    swin = timm.models.SwinTransformer(
        img_size=16, patch_size=2, embed_dim=8, depths=(2,), num_heads=(2,), window_size=4, num_classes=3
    )
    beit = timm.models.Beit(
        img_size=16,
        patch_size=4,
        embed_dim=8,
        depth=2,
        num_heads=2,
        num_classes=3,
        init_values=0.5,
        use_rel_pos_bias=True,
    )
    for net in (swin.double().eval(), beit.double().eval()):
        for p in net.parameters():
            nn.init.normal_(p, 0.0, 0.3)
        x = torch.randn(3, 3, 16, 16).double()
        made = plan(net, x, outputs="full", algorithm="structured")
        assert not [p.name for p in made.parameters if p.contraction in ("jacobian", "loop")]
        assert relative(ntk(net, x, outputs="full", algorithm="structured"), dense_kernel(net, x)) < 1e-10


REPEATED: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "rows of a weight": (
        Function(lambda x, w, b: F.linear(x, w.repeat(5, 1) + b[:, None]), (1, 4), (5,), features=5),
        VECTOR,
    ),
    "a sum": (Function(lambda x, w: x + w.expand(5, 4), (1, 4), features=20), (5, 4)),
    "beside a token": (
        Function(lambda x, w, c: torch.cat([c.expand(len(x), 1, 4), x * w.expand(5, 4)], 1), (4,), (4,), features=24),
        (5, 4),
    ),
}


@pytest.mark.parametrize("samples", [3, 5])
@pytest.mark.parametrize("name", REPEATED)
def test_a_weight_is_repeated_as_often_as_there_are_samples(name: str, samples: int) -> None:
    torch.manual_seed(0)
    net, shape = REPEATED[name]
    net, x = deepcopy(net).double(), torch.randn(samples, *shape, dtype=torch.float64)
    made = plan(net, x, outputs="full", algorithm="structured")
    assert not [p.name for p in made.parameters if p.contraction in ("jacobian", "loop")]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnprovenWarning)
        for verify in ("always", "off"):
            kernel = ntk(net, x, outputs="full", algorithm="structured", verify=verify)
            assert relative(kernel, dense_kernel(net, x)) < 1e-10
