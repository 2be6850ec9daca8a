"""Ranks of product networks against exact arithmetic modulo a prime."""

import itertools
import random
from typing import Any

import pytest
import torch

from hpnets.models import create_model
from hpnets.ntk import singular_values
from hpnets.theory import product_rank

PRIME = 2**31 - 1


def exact_rank(model: str, degree: int, dim: int, width: int, n: int, seed: int = 0) -> int:
    """The rank modulo PRIME of J at random points with random weights; smaller than the true one with chance 1e-7."""
    draw = random.Random(seed)

    def vector() -> list[int]:
        return [draw.randrange(PRIME) for _ in range(dim)]

    units = [[vector() for _ in range(degree)] for _ in range(width)]
    shifts = [0] + [int(model != "pnn")] * (degree - 1)
    rows = []
    for x in (vector() for _ in range(n)):
        row = [1] * (model == "ccp")
        for unit in units:
            factors = [sum(map(int.__mul__, w, x)) + shift for w, shift in zip(unit, shifts, strict=True)]
            for k in range(degree):
                others = 1
                for factor in factors[:k] + factors[k + 1 :]:
                    others = others * factor % PRIME
                row += [others * c % PRIME for c in x]
                last = others * factors[k] % PRIME
            row.append(last)
        rows.append(row)
    return eliminated(rows)


def eliminated(rows: list[list[int]]) -> int:
    """The rank of a matrix of integers modulo PRIME."""
    rank = 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        top, inverse = rows[rank], pow(rows[rank][column], -1, PRIME)
        for i in range(rank + 1, len(rows)):
            if rows[i][column]:
                factor = rows[i][column] * inverse % PRIME
                rows[i] = [(a - factor * b) % PRIME for a, b in zip(rows[i], top, strict=True)]
        rank += 1
    return rank


@pytest.mark.parametrize("model", ["pnn", "pnn_skip", "ccp"])
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_the_formulas_are_exact(model: str, degree: int) -> None:
    """Every width up to where the space of polynomials is full, and one more point than its dimension."""
    for dim, width in itertools.product((2, 3, 4), (1, 2, 3, 4)):
        n = min(product_rank(model, degree, dim, 1000, 10**6), 36) + 1
        assert product_rank(model, degree, dim, width, n) == exact_rank(model, degree, dim, width, n), (dim, width)


def test_few_points_bound_the_rank_and_the_sphere_loses_functions() -> None:
    assert product_rank("pnn_skip", 3, 3, 100, 7) == 7
    assert product_rank("pnn_skip", 3, 3, 100, 100) == 19  # C(6, 3) - 1
    assert product_rank("pnn_skip", 3, 3, 100, 100, sphere=True) == 16  # C(5, 3) + C(4, 2)
    assert product_rank("ccp", 3, 3, 100, 100, sphere=True) == 16  # 1 = |x|^2 is there already
    assert product_rank("pnn", 3, 3, 100, 100, sphere=True) == product_rank("pnn", 3, 3, 100, 100) == 10


@pytest.mark.parametrize("sphere", [False, True])
def test_networks_have_that_rank(sphere: bool) -> None:
    """The models themselves, and the sphere, where the exact points would not be."""
    x = torch.randn(60, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.normalize(x) if sphere else x
    for model, degree, width in itertools.product(("pnn", "pnn_skip", "ccp"), (2, 3), (1, 2, 3, 6)):
        torch.manual_seed(0)
        options: dict[str, Any] = {"degree": degree, "width": width, "activation": "none"}
        net = create_model(model, input_shape=(4,), output_dim=1, **options).double()
        rank = singular_values(net, x, outputs="trace").rank
        assert rank == product_rank(model, degree, 4, width, 60, sphere=sphere), (model, degree, width)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "mlp"}, "model is 'mlp'; allowed: ccp, pnn, pnn_skip"),
        ({"degree": 0}, "degree is 0; allowed: an integer >= 1"),
        ({"dim": 0}, "dim is 0; allowed: an integer >= 1"),
        ({"width": -1}, "width is -1; allowed: an integer >= 1"),
        ({"points": 2.5}, "points is 2.5; allowed: an integer >= 1"),
    ],
)
def test_wrong_numbers_are_refused(wrong: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {"model": "pnn", "degree": 2, "dim": 3, "width": 4, "points": 5}
    with pytest.raises(ValueError, match=message):
        product_rank(**{**right, **wrong})
