"""The contractions of a weight with positions are the inner products of its gradients."""

import pytest
import torch
from torch import Tensor

from hpnets.ntk._layer import Geometry
from hpnets.ntk._output_selection import select_outputs
from hpnets.ntk._problem import Problem
from hpnets.ntk._terms import chunks, sandwich
from hpnets.ntk._terms.base import add_products, dot
from tests.ntk.oracle import relative

# Groups, positions, inputs and units: few positions and many, and one group and three.
SHAPES = [(1, 1, 4, 3), (1, 5, 2, 3), (3, 4, 2, 2), (1, 14, 3, 5), (2, 13, 2, 3)]
OUTPUTS = 4


def factors(n: int, shape: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    q, S, I, H = shape
    generator = torch.Generator().manual_seed(seed)
    P = torch.randn(n, q, S, I, dtype=torch.float64, generator=generator)
    return P, torch.randn(n, q, OUTPUTS, H, S, dtype=torch.float64, generator=generator)


def expected(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor]) -> Tensor:
    """K (C, n1, C, n2) from the gradients themselves."""
    J1, J2 = (torch.einsum("nqchs,nqsi->cnqhi", G, P).flatten(2) for P, G in (left, right))
    return torch.einsum("cnp,dmp->cndm", J1, J2)


def upper(k: Tensor) -> Tensor:
    """The blocks of outputs o <= p, which is all that a symmetric contraction fills."""
    return torch.stack([k[o, :, p] for o in range(len(k)) for p in range(o, len(k))])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["sandwich", "chunks"])
@pytest.mark.parametrize("block", [1, 200, 2**18])
def test_contractions(name: str, shape: tuple[int, ...], block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandwich, "BLOCK", block)
    monkeypatch.setattr(chunks, "CHUNK", block)
    add = sandwich.add_sandwich if name == "sandwich" else chunks.add_chunks
    left, right = factors(7, shape, 0), factors(5, shape, 1)
    for other, symmetric in ((right, False), (left, True)):
        k = torch.ones(OUTPUTS, 7, OUTPUTS, len(other[0]), dtype=torch.float64)
        (P1, G1), (P2, G2) = ((P, G.mT if name == "sandwich" else G) for P, G in (left, other))
        add(k, P1, G1, P2, G2, symmetric)
        k, true = k - 1, expected(left, other)
        assert relative(upper(k), upper(true)) < 1e-12 if symmetric else relative(k, true) < 1e-12


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("block", [1, 200, 2**18])
def test_trace_contractions(shape: tuple[int, ...], block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandwich, "COLUMNS", block)
    left, right = factors(7, shape, 0), factors(5, shape, 1)
    for other, symmetric in ((right, False), (left, True)):
        true = torch.einsum("cncm->nm", expected(left, other))
        k, again = torch.zeros_like(true), torch.zeros_like(true)
        sandwich.add_trace_sandwich(k, left[0], left[1].mT, other[0], other[1].mT, symmetric)
        chunks.add_chunks(again, *left, *other, symmetric)
        assert relative(k, true) < 1e-12
        assert relative(again, true) < 1e-12


@pytest.mark.parametrize("outputs", ["full", "trace"])
def test_a_block_of_columns_takes_no_more_than_predicted(outputs: str) -> None:
    """The scratch memory of a few samples is that of all their pairs, not of a whole block."""
    problem = Problem(3, 3, True, select_outputs(outputs, 2, torch.zeros(3, 1)), 4)
    assert sandwich.sandwich_numel(Geometry(1, 2, 3, 4), problem) < 2000


def test_a_dot_product_of_many_terms_is_exact() -> None:
    """A library's product may add them one after another: a right row of efficientformer_l1 was disproven for it."""
    g, h = torch.rand(2, 2**20 + 3)
    g[:512] *= 100
    h[:512] *= 100
    right = float(g.double() @ h.double())
    assert abs(float(dot(g, h)) - right) < 1e-6 * right


@pytest.mark.parametrize("n", [(1, 1), (2, 9), (2, 40), (20, 3), (20, 20)])
@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_over_many_columns_are_exact(n: tuple[int, int], C: int, weighted: bool) -> None:
    """A library's product of few rows may add up all columns one after another, and be off by 6e-5 for 2^20.

    What a product adds is rounded away where it is added a few columns at a time, to what is large after the first.
    """
    J1, J2 = (torch.rand(C, m, 2**18 + 3) for m in n)
    J1[..., :512] *= 30
    J2[..., :512] *= 30
    weight = torch.rand(n) + 1 if weighted else None
    flat = torch.zeros(n)
    k = torch.zeros(C, n[0], C, n[1])
    add_products(flat, J1, J2, weight, False)
    add_products(k, J1, J2, weight, False)
    right = torch.stack([torch.stack([(a.double() @ b.double().T) for b in J2], 1) for a in J1])
    right = right if weight is None else right * weight[:, None].double()
    assert relative(k, right) < 2e-6
    assert relative(flat, right.diagonal(dim1=0, dim2=2).sum(-1)) < 2e-6


@pytest.mark.parametrize("rows", [127, 128, 400])
@pytest.mark.parametrize("symmetric", [False, True])
def test_threads_that_share_out_rows_make_the_same_product(
    rows: int, symmetric: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    J1 = torch.randn(2, rows, 5, dtype=torch.float64)
    J2 = J1 if symmetric else torch.randn(2, 9, 5, dtype=torch.float64)
    k = torch.zeros(2, rows, 2, len(J2[0]), dtype=torch.float64)
    add_products(k, J1, J2, None, symmetric)
    right = torch.einsum("cnp,dmp->cndm", J1, J2)
    assert relative(upper(k), upper(right)) < 1e-12
