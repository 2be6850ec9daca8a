"""PolyNeXt: its branches by their formulas, the paper's parameter counts, and the authors' own code."""

import importlib
import os
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.layers.positions import PositionNorm
from hpnets.models import create_model, polynomial_degree
from hpnets.models.polynext_cells import Cell, Maps, PolyAttention, PolyConv, PolyMLP
from tests.models.nets import samples, scramble, small

CODE = "POLYNEXT_CODE"  # an environment variable: where a checkout of the authors' code is
MILLIONS = {("t", "conv"): 6.4, ("s", "conv"): 26, ("b", "conv"): 40, ("l", "conv"): 57, ("lr", "conv"): 5.5} | {
    ("t", "attention"): 6.5,
    ("s", "attention"): 26,
    ("b", "attention"): 41,
    ("l", "attention"): 57,
}
Z = samples(2, (70, 4, 5), torch.float64)


def maps(**options: Any) -> Maps:
    torch.manual_seed(0)
    return Maps(**{"channels": 70, "height": 4, "width": 5, "norm": "layer", "product": "hadamard", **options})


def normed(h: Tensor) -> Tensor:
    """LayerNorm over the channels, with gains of 1."""
    return F.layer_norm(h.movedim(1, 3), (h.shape[1],)).movedim(3, 1)


@pytest.mark.parametrize(("size", "form"), MILLIONS)
def test_the_papers_parameter_counts(size: str, form: str) -> None:
    shape, outputs = ((3, 32, 32), 10) if size == "lr" else ((3, 224, 224), 1000)
    with torch.device("meta"):
        net = create_model("polynext", input_shape=shape, output_dim=outputs, size=size, form=form)
    rounded = round(sum(p.numel() for p in net.parameters()) / 1e6, 1 if MILLIONS[size, form] < 10 else 0)
    assert rounded == MILLIONS[size, form]


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_convolution_multiplies_two_fields_one_of_them_in_reverse(kernel: int) -> None:
    f = PolyConv(maps(kernel=kernel, mixed=0.75)).double()
    h = f.W_i(Z)
    assert h.shape[1] == 52
    wide = F.conv2d(h, f.wide.weight, padding=kernel - 1, dilation=2, groups=52)
    near = F.conv2d(h, f.near.weight, padding=1, groups=52)
    mixed = torch.stack([wide[:, c] * near[:, 51 - c] for c in range(52)], 1)
    torch.testing.assert_close(f(Z), normed(f.W_o(F.conv2d(mixed, f.after.weight, padding=1, groups=52))))


def test_an_mlp_multiplies_two_maps() -> None:
    f = PolyMLP(maps(paired=0.875)).double()
    assert f.W_o.in_channels == 61
    torch.testing.assert_close(f(Z), f.W_o(normed(f.W_a(Z) * f.W_b(Z))))


def test_attention_is_a_fourth_power_row_by_row() -> None:
    """By loops over samples, heads and positions; 70 channels have two heads of 32."""
    f = PolyAttention(maps()).double()
    u, v = f.W(normed(Z)).split(64, 1)
    q, k, v = (each.flatten(2).view(2, 2, 32, 20) for each in (f.q(u), f.k(u), f.v(v)))
    assert torch.allclose(f.s.sigmoid(), torch.full_like(f.s, 32**-0.5))
    out = torch.zeros(2, 2, 32, 20, dtype=torch.float64)
    for n in range(2):
        for head in range(2):
            for i in range(20):
                row = torch.stack([(1 + 32**-0.5 * q[n, head, :, i] @ k[n, head, :, j]) ** 4 for j in range(20)])
                out[n, head, :, i] = v[n, head] @ (row / row.abs().sum())
    torch.testing.assert_close(f(Z), f.W_o(f.after(out.reshape(2, 64, 4, 5))), rtol=1e-6, atol=1e-7)


def test_a_cell_takes_the_two_before_it_and_adds_gated_branches() -> None:
    cell, y = Cell(maps(), 2).double(), Z.flip(0)
    with torch.no_grad():
        cell.s_0.uniform_(), cell.s_1.uniform_()
    z = normed(cell.s_0 * y + cell.s_1 * Z)
    for f, power in zip(cell.f, (0, -0.5, -1, -1.5), strict=True):
        z = z + f(z) / (1 + 2.718281828459045**-power)
    torch.testing.assert_close(cell(y, Z), z)


@pytest.mark.parametrize("training", [False, True])
def test_a_position_is_normalised_over_samples_and_channels(training: bool) -> None:
    norm = scramble(PositionNorm(70, 4, 5)).double().train(training)
    nn.init.uniform_(norm.g_c), nn.init.uniform_(norm.g_p)
    mean, var = (each.clone().view(4, 5) for each in (norm.norm.running_mean, norm.norm.running_var))
    if training:
        mean, var = Z.mean((0, 1)), Z.var((0, 1), correction=0)
    torch.testing.assert_close(norm(Z), (Z - mean) / (var + 1e-5).sqrt() * norm.g_p * norm.g_c)


def test_the_twin_of_attention_is_affine_and_has_its_degree() -> None:
    options = {"form": "attention", "norm": "none", "input_shape": (1, 32, 32)}
    twin, x = small("polynext", product="sum", **options).double(), samples(2, (1, 32, 32), torch.float64)
    line = torch.stack([x[0] + k * x[1] for k in range(3)])
    assert twin(line).diff(n=2, dim=0).abs().max() < 1e-12 * twin(line).abs().max()
    assert polynomial_degree(twin) == 1
    assert polynomial_degree(small("polynext", **options)) is None


def test_more_blocks_than_stages_are_refused() -> None:
    with pytest.raises(ValueError, match=r"blocks is \[1, 1, 1, 1\]; allowed: .* at most 3 stages"):
        small("polynext", blocks=[1] * 4)


@pytest.mark.slow
@pytest.mark.skipif(CODE not in os.environ, reason=f"{CODE} names no checkout of the authors' code")
@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("size", ["lr", "t", "s"])
@pytest.mark.parametrize("form", ["conv", "attention"])
def test_it_is_the_authors(size: str, form: str, norm: str) -> None:
    """All but attention with norm "batch", where theirs divides rows by running sums.

    Norm "batch" is compared in train mode: in eval mode, with statistics that are not of its data, values overflow.
    """
    if form == "attention" and (size == "lr" or norm == "batch"):
        pytest.skip("they have none")
    torch.manual_seed(0)
    shape, outputs = (3, 64, 64), 3
    net = create_model("polynext", input_shape=shape, output_dim=outputs, size=size, form=form, norm=norm)
    oracle = theirs(size, form, {"layer": "ln", "batch": "bn"}[norm])
    oracle(torch.zeros(1, *shape))  # makes their parameters of positions
    scramble_all(oracle)
    load(net, oracle)
    x, training = samples(2, shape, torch.float64), norm == "batch"
    measured, expected = (each.double().train(training)(x) for each in (net, oracle))
    torch.testing.assert_close(measured, expected, rtol=1e-8, atol=1e-8)


def theirs(size: str, form: str, norm: str) -> Any:
    sys.path.insert(0, os.environ[CODE])
    code = importlib.import_module("model")
    if size == "lr":
        return code.NetworkPoly(72, 3, 8, {**code.LowRes, "norm": norm})
    config = {**getattr(code, f"{form[0].upper()}PolyNeXt_{size.upper()}"), "norm": norm}
    return code.NetworkPolyImageNet({"t": 48, "s": 72}[size], 3, len(config["nodes"]), config)


def scramble_all(oracle: nn.Module) -> None:
    """What is constant at the start, gains, scales, gates and statistics, away from it."""
    for value in (*oracle.parameters(), *oracle.buffers()):
        if value.is_floating_point() and value.numel() > 1 and bool((value == value.flatten()[0]).all()):
            nn.init.uniform_(value.detach(), 0.5, 1.5)


def norms(theirs: Any, ours: nn.Module) -> dict[str, Tensor]:
    """The state of one norm."""
    if not isinstance(ours, PositionNorm):
        return {"norm.weight": theirs.weight}
    return {
        "g_c": theirs.gamma_c[:, None, None],
        "g_p": theirs.gamma_hw[0, 0],
        "norm.running_mean": theirs.running_mean.flatten(),
        "norm.running_var": theirs.running_var.flatten(),
    }


def branch(f: Any, ops: Any) -> list[tuple[nn.Module, dict[str, Tensor]]]:
    """The modules of one branch, each with its state."""
    if isinstance(f, PolyConv):
        layers = {f.W_i: ops[0], f.wide: ops[1], f.near: ops[2], f.after: ops[3][0], f.W_o: ops[3][1]}
        return [(f.norm, norms(ops[3][2], f.norm)), *[(a, {"weight": b.weight}) for a, b in layers.items()]]
    if isinstance(f, PolyMLP):
        a, b = ops[0].weight.chunk(2)
        return [
            (f.W_a, {"weight": a}),
            (f.W_b, {"weight": b}),
            (f.norm, norms(ops[1][0], f.norm)),
            (f.W_o, {"weight": ops[1][1].weight}),
        ]
    own = ops[0][1]
    layers = {f.W: own.qkv, f.q: own.q_conv, f.k: own.k_conv, f.v: own.v_conv, f.after: own.final_conv, f.W_o: own.proj}
    f.s.data.copy_(own.scale[0])
    return [(f.prior, norms(ops[0][0], f.prior)), *[(a, {"weight": b.weight}) for a, b in layers.items()]]


@torch.no_grad()
def load(net: Any, oracle: Any) -> None:
    """The authors' weights become ours, module by module."""
    states = [(net.stem, oracle.stem.state_dict()), (net.W, oracle.proj.state_dict())]
    states += [(net.C, oracle.head[3].state_dict()), (net.norm, norms(oracle.norm, net.norm))]
    for i, halving in enumerate(net.halving):
        states += [(halving.y, oracle.reductions[2 * i].state_dict())]
        states += [(halving.x, oracle.reductions[2 * i + 1].state_dict())]
    for cell, other in zip([cell for stage in net.stages for cell in stage], oracle.cells, strict=True):
        cell.s_0.copy_(other.preprocess0.scale[0]), cell.s_1.copy_(other.preprocess1.scale[0])
        states += [(cell.norm, norms(other.postprocess, cell.norm))]
        at = 0
        for k, f in enumerate(cell.f):
            cell.lambdas[k] = other.skip_weight[k // 2 + k % 2 if other.scale_type else k]
            states += branch(f, other.ops[at:])
            at += {PolyConv: 4, PolyAttention: 1, PolyMLP: 2}[type(f)]
    for module, state in states:
        missing, unexpected = module.load_state_dict(state, strict=False)
        assert not unexpected
        assert all(key.endswith("num_batches_tracked") for key in missing)
