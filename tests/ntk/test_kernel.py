"""The kernel's modes, tiles, plans and laws."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import ntk, ntk_blocks, plan, split_kernel
from tests.ntk.oracle import dense_kernel, relative, select

ALGORITHMS = ["structured", "jacobian", "ntkvp"]


def small(name: str = "mlp", seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return create_model(name, input_shape=(6,), output_dim=4, width=8).double()


def convolutional(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.GroupNorm(2, 6),
        nn.Tanh(),
        nn.Conv2d(6, 12, 3, 2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(48, 4),
    ).double()


def inputs(n: int, shape: tuple[int, ...] = (6,), seed: int = 1) -> Tensor:
    return torch.randn(n, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


MODES = ["full", "trace", "sum", 2, (0, 3), (1,), (2, 2, 0), inputs(4, (3,), 5), inputs(4, (1,), 6)]


def network(name: str, n: int) -> tuple[nn.Module, Tensor]:
    """A net of vectors by name, or "conv", and n inputs."""
    return (convolutional(), inputs(n, (2, 5, 5))) if name == "conv" else (small(name), inputs(n))


@cache
def truth(name: str) -> Tensor:
    """The full kernel of 7 inputs."""
    return dense_kernel(*network(name, 7))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("outputs", MODES, ids=lambda o: str(tuple(o.shape)) if isinstance(o, Tensor) else str(o))
@pytest.mark.parametrize("name", ["mlp", "ccp", "conv"])
def test_modes(name: str, outputs: object, algorithm: str) -> None:
    net, x = network(name, 7)
    kernel = ntk(net, x[:4], outputs=outputs, algorithm=algorithm)
    assert relative(kernel, select(truth(name)[:4, :4], outputs)) < 1e-10
    kernel = ntk(net, x[:3], x[2:], outputs=outputs, algorithm=algorithm)
    assert relative(kernel, select(truth(name)[:3, 2:], outputs)) < 1e-10


@pytest.mark.parametrize("outputs", ["full", "trace"])
@pytest.mark.parametrize("name", ["mlp", "ccp", "conv"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_budget_gives_the_same_kernel(name: str, outputs: str, algorithm: str) -> None:
    net, x = network(name, 9)
    whole = ntk(net, x, outputs=outputs, algorithm=algorithm)
    schedules = set()
    for kilobytes in (4, 8, 16, 40, 80, 240, 400, 600, 1000, 8000):
        try:
            planned = plan(net, x, outputs=outputs, algorithm=algorithm, memory=f"{kilobytes}KB")
        except ValueError:
            continue
        schedules.add((planned.tile, planned.chunk))
        assert planned.peak_bytes <= kilobytes * 1000
        assert relative(ntk(net, x, plan=planned), whole) < 1e-12
        assert (
            relative(ntk(net, x[:4], x, outputs=outputs, algorithm=algorithm, memory=f"{kilobytes}KB"), whole[:4])
            < 1e-12
        )
    assert len(schedules) > 1


def test_large_kernel_in_blocks() -> None:
    net, x = small("ccp"), inputs(300)
    for outputs in ("full", "trace"):
        whole = ntk(net, x, outputs=outputs)
        assert relative(whole, ntk(net, x, outputs=outputs, algorithm="jacobian")) < 1e-12
        assert relative(whole[:70], ntk(net, x[:70], x, outputs=outputs)) < 1e-12


def test_plan_is_printed_and_runs() -> None:
    net, x = convolutional(), inputs(5, (2, 5, 5))
    planned = plan(net, x, outputs="full")
    assert str(planned).splitlines()[0].split() == ["parameter", "contraction", "GFLOP", "MiB"]
    assert [p.name for p in planned.parameters] == [name for name, _ in net.named_parameters()]
    assert planned.flops == pytest.approx(sum(p.flops for p in planned.parameters))
    assert torch.equal(ntk(net, x, plan=planned), ntk(net, x, outputs="full"))
    with pytest.raises(ValueError, match="make one with"):
        ntk(net, x[:3], plan=planned)
    with pytest.raises(ValueError, match="make one with"):
        ntk(net, x, x, plan=planned)


def test_auto_takes_a_functional_algorithm_where_the_factors_do_not_fit() -> None:
    net, x = small("mlp"), inputs(3)
    assert plan(net, x, outputs="full").algorithm == "structured"
    assert plan(nn.Sequential(OnlyRaw()).double(), x, outputs="full").parameters[0].contraction == "jacobian"


class OnlyRaw(nn.Module):
    """A net whose only parameter no rule covers: it meets one sample at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(torch.stack([row @ self.w for row in x]))


@pytest.mark.parametrize("name", ["mlp", "ccp", "ncp", "conv"])
def test_blocks_add_up(name: str) -> None:
    net, x = network(name, 4)
    parts = ntk_blocks(net, x, outputs="full")
    assert relative(sum(parts.values()), ntk(net, x, outputs="full")) < 1e-12
    prefixes = list(dict.fromkeys(n.split(".")[0] for n, _ in net.named_parameters()))
    coarse = ntk_blocks(net, x, x[:2], outputs="trace", blocks=prefixes)
    assert list(coarse) == prefixes
    assert relative(sum(coarse.values()), ntk(net, x, x[:2], outputs="trace")) < 1e-12


def test_a_module_with_parameters_inside_another_one_is_a_block_of_its_own() -> None:
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    net = nn.Sequential(block, nn.Flatten(), nn.Linear(12, 2)).double().eval()
    x = torch.randn(3, 3, 4, dtype=torch.float64)
    parts = ntk_blocks(net, x, outputs="full")
    assert {"0.self_attn", "0.self_attn.out_proj"} <= set(parts)
    assert relative(sum(parts.values()), dense_kernel(net, x)) < 1e-10
    alone = {name: p for name, p in net.named_parameters() if name.startswith("0.self_attn.in_proj")}
    assert relative(parts["0.self_attn"], ntk(net, x, outputs="full", params=alone)) < 1e-10


def test_blocks_of_given_values() -> None:
    net, other, x = small("ccp"), small("ccp", 3), inputs(4)
    parts = ntk_blocks(net, x, outputs="full", params=dict(other.named_parameters()))
    assert relative(sum(parts.values()), dense_kernel(other, x)) < 1e-10


@pytest.mark.parametrize("name", ["mlp", "ccp", "ncp", "conv"])
def test_one_pass_gives_the_kernel_and_those_of_blocks(name: str) -> None:
    """Blocks may part layers and overlap; each is that of `ntk` with its parameters alone, as the whole one is."""
    net, x = network(name, 6)
    named = dict(net.named_parameters())
    blocks = {"one": [*named][:1], "last": [*named][-2:], "all": [*named], "every second": [*named][::2]}
    for outputs, algorithm in (("trace", "auto"), ("full", "auto"), ("sum", "auto"), (1, "jacobian")):
        made = plan(net, x, outputs=outputs, algorithm=algorithm, blocks=blocks)
        split = split_kernel(net, x, made, blocks)
        assert split is not None
        for block, kernel in {**split[1], "whole": split[0]}.items():
            own = {key: named[key] for key in blocks.get(block, named)}
            assert relative(kernel, ntk(net, x, outputs=outputs, params=own)) < 1e-12, block


def test_plans_that_cannot_be_split() -> None:
    """One without factors, one of several tiles, and one that was not made for it."""
    net, x = convolutional(), inputs(6, (2, 5, 5))
    blocks = {"biases": ["0.bias", "3.bias"]}
    for options in ({"algorithm": "ntkvp"}, {"memory": 250_000}):
        assert split_kernel(net, x, plan(net, x, outputs="trace", blocks=blocks, **options), blocks) is None
    with pytest.raises(ValueError, match=r"plan joins .*; allowed: a plan made with these blocks"):
        split_kernel(net, x, plan(net, x, outputs="trace"), {"first": ["0.weight", "3.bias"]})


def test_blocks_refuse_unknown_and_overlapping_names() -> None:
    net, x = small(), inputs(3)
    with pytest.raises(ValueError, match=r"block 'W\.9' holds no parameter.*W\.0"):
        ntk_blocks(net, x, outputs="full", blocks=["W.9"])
    with pytest.raises(ValueError, match="in two of the blocks"):
        ntk_blocks(net, x, outputs="full", blocks=["W", "W.0"])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 6), name=st.sampled_from(["mlp", "ccp", "ncp"]))
def test_symmetric_positive_and_blind_to_order(seed: int, n: int, name: str) -> None:
    net, x = small(name, seed), inputs(n, seed=seed + 1)
    k = ntk(net, x, outputs="full")
    matrix = k.permute(0, 2, 1, 3).reshape(4 * n, 4 * n)
    assert torch.equal(matrix, matrix.T) or relative(matrix, matrix.T.clone()) < 1e-14
    eigenvalues = torch.linalg.eigvalsh(matrix)
    assert eigenvalues[0] > -1e-12 * eigenvalues[-1]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert relative(ntk(net, x[order], outputs="full"), k[order][:, order]) < 1e-12


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 4))
def test_tiles_of_inputs_chain_to_the_whole(seed: int, cut: int) -> None:
    net, x = small("ncp", seed), inputs(5, seed=seed + 1)
    rows = [torch.cat([ntk(net, a, b, outputs="full") for b in (x[:cut], x[cut:])], 1) for a in (x[:cut], x[cut:])]
    assert relative(torch.cat(rows), ntk(net, x, outputs="full")) < 1e-12
