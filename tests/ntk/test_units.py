"""Sums over units: every pair of outputs, every block of rows, against one einsum in float64."""

import pytest
import torch
from torch import Tensor

from hpnets.ntk._terms import units
from hpnets.ntk._terms.base import BLOCK, mirror
from hpnets.ntk._terms.units import add_unit_products, output_groups, units_numel
from hpnets.ntk._tiling import write_transposed


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def expected(left: Tensor, right: Tensor, R: Tensor, weight: Tensor | None) -> Tensor:
    inner = torch.einsum("hxl,hyl->hxy", left, right)
    share = torch.einsum("oh,ph,hxy->oxpy", R, R, inner)
    return share if weight is None else share * weight[None, :, None]


@pytest.mark.parametrize("C", [1, 3, 30])
@pytest.mark.parametrize("L", [1, 2, 5])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("symmetric", "even"), [(True, True), (True, False), (False, False)])
def test_the_share_is_the_sum_over_units(
    C: int, L: int, weighted: bool, symmetric: bool, even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "PRODUCTS", 200)  # several blocks of rows
    monkeypatch.setattr(units, "LINE", 3)  # several strips of two blocks
    left = random(7, 11, L)
    right = left if symmetric else random(7, 9, L, seed=1)
    R, weight = random(C, 7, seed=2), random(11, right.shape[1], seed=3)
    weight = weight + weight.T if symmetric else weight
    k = torch.ones(C, 11, C, right.shape[1], dtype=torch.float64)
    add_unit_products(k, left, right, R, weight if weighted else None, symmetric)
    if symmetric:
        mirror(k, even)
    assert torch.allclose(k, 1 + expected(left, right, R, weight if weighted else None), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("c", "n1", "C", "n2"), [(3, 70, 2, 5), (1, 3, 4, 70), (1, 64, 1, 33)])
def test_a_transposed_block_is_written_strip_by_strip(c: int, n1: int, C: int, n2: int) -> None:
    k, other = random(c, n1, C, n2), torch.zeros(C, n2, c, n1, dtype=torch.float64)
    write_transposed(k, other)
    assert torch.equal(other, k.permute(2, 3, 0, 1))


@pytest.mark.parametrize(("C", "threads", "shares"), [(3, 1, 1), (3, 2, 2), (3, 4, 4), (3, 5, 1), (10, 4, 1)])
def test_threads_that_share_out_units_make_the_same_sums(
    C: int, threads: int, shares: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the units are a multiple of the threads, and more than their sums."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    H = 48
    left, R, weight = random(H, 11, 3), random(C, H, seed=2), random(11, 11, seed=3)
    assert units.unit_shares(C * (C + 1) // 2, H) == shares
    k = torch.zeros(C, 11, C, 11, dtype=torch.float64)
    add_unit_products(k, left, left, R, weight + weight.T, True)
    mirror(k)
    assert torch.allclose(k, expected(left, left, R, weight + weight.T), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("C", [1, 10, 22, 23, 100, 300])
def test_groups_cover_the_outputs_in_order_and_stay_small(C: int) -> None:
    groups = list(output_groups(C))
    assert [o for group in groups for o in group] == list(range(C))
    for group in groups:
        assert len(group) == 1 or sum(C - o for o in group) <= BLOCK


@pytest.mark.parametrize("L", [1, 4])
def test_the_scratch_is_what_is_allocated(L: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest share and its buffers, as `units_numel` says before any work is done."""
    H, n, C, allocated = 6, 20, 5, []

    class Recorded(torch.Tensor):
        def new_empty(self, *size: int) -> Tensor:  # type: ignore[override]
            allocated.append(torch.Size(size).numel())
            return torch.empty(*size, dtype=torch.float64)

    left = random(H, n, L)
    add_unit_products(
        torch.zeros(C, n, C, n, dtype=torch.float64), left.as_subclass(Recorded), left, random(C, H), None, True
    )
    Q = C * (C + 1) // 2
    assert sum(allocated) + Q * H == units_numel(H, n, n, L, C)
