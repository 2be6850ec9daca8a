"""The algebra's rules, each against features that are drawn, and what it refuses."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.theory import (
    Moments,
    activation,
    add,
    average,
    average_pool,
    conv,
    dense,
    flatten,
    from_covariance,
    gather,
    inputs,
    multiply,
    normalise,
    rescale,
    scale,
    shift,
    translate,
)
from tests.theory.oracle import points

X = points(3, 2)
DRAWS = 400_000


def drawn(features: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Second moments and means of coordinates made of two independent layers' z, u ~ N(0, x . x' / d), by drawing."""
    generator = torch.Generator().manual_seed(0)
    z, u = (X / 2**0.5 @ torch.randn(2, DRAWS, generator=generator, dtype=torch.float64) for _ in range(2))
    y = features(z, u)
    return y @ y.T / DRAWS, y.mean(1)


RULES: list[tuple[str, Callable[[Moments, Moments], Moments], Callable[[Tensor, Tensor], Tensor]]] = [
    ("product", lambda a, b: activation(a, "relu") * activation(b, "relu"), lambda z, u: z.relu() * u.relu()),
    ("sum with means", lambda a, b: activation(a, "relu") + activation(b, "cos"), lambda z, u: z.relu() + u.cos()),
    ("skip", lambda a, b: (1 + activation(a, "relu")) * activation(b, "relu"), lambda z, u: (1 + z.relu()) * u.relu()),
    ("scale and shift", lambda a, b: 2 * activation(a, "square") + -0.5, lambda z, u: 2 * z**2 - 0.5),
    ("sum of Gaussians", lambda a, b: activation(a + 2 * b, "gelu"), lambda z, u: F.gelu(z + 2 * u)),
    (
        "centred and normalised",
        lambda a, b: normalise(activation(a, "relu")),
        lambda z, u: (z.relu() - z.relu().mean(1, keepdim=True)) / z.relu().std(1, keepdim=True),
    ),
    (
        "root mean square",
        lambda a, b: normalise(1 + a, centre=False),
        lambda z, u: (1 + z) / (1 + z).square().mean(1, keepdim=True).sqrt(),
    ),
]


@pytest.mark.parametrize(("name", "rule", "features"), RULES, ids=[rule[0] for rule in RULES])
def test_moments_are_those_of_drawn_features(
    name: str,
    rule: Callable[[Moments, Moments], Moments],
    features: Callable[[Tensor, Tensor], Tensor],
) -> None:
    x = inputs(X)
    h = rule(dense(x), dense(x))
    S, mean = drawn(features)
    tolerance = {"rtol": 0.02, "atol": 0.02}
    torch.testing.assert_close(h.S[..., 0, 0], S, **tolerance)
    torch.testing.assert_close(h.S_1[:, 0, 0], S.diagonal(), **tolerance)
    torch.testing.assert_close(h.S_2[:, 0, 0], S.diagonal(), **tolerance)
    expected = torch.zeros(3, dtype=torch.float64) if h.mean is None else h.mean[0][:, 0]
    torch.testing.assert_close(expected, mean, **tolerance)


def test_the_product_rule_of_tangent_kernels() -> None:
    x = inputs(X)
    a, b, c = (activation(dense(x, w), "relu") for w in (1.0, 2.0, 3.0))
    y = a * b * c
    torch.testing.assert_close(y.T, a.T * b.S * c.S + a.S * b.T * c.S + a.S * b.S * c.T)
    torch.testing.assert_close(y.S, a.S * b.S * c.S)


def test_methods_are_functions() -> None:
    x = inputs(X)
    a, b = activation(dense(x), "relu"), dense(x)
    for left, right in ((a * b, multiply(a, b)), (a + b, add(a, b)), (3 * a, scale(a, 3)), (3 + a, shift(a, 3))):
        torch.testing.assert_close((left.S, left.T, left.S_1, left.S_2), (right.S, right.T, right.S_1, right.S_2))
    ones = torch.ones(3, 1, dtype=torch.float64)
    torch.testing.assert_close(rescale(a, 2 * ones, 3 * ones).T, 6 * a.T)
    torch.testing.assert_close(translate(a, 2 * ones, 2 * ones).S, shift(a, 2).S)


def test_features_that_share_weights_are_neither_added_nor_multiplied() -> None:
    x = inputs(X)
    a, b = dense(x), dense(x)
    for combine in (lambda: a * a, lambda: a + activation(a, "relu"), lambda: (a * b) + b):
        with pytest.raises(ValueError, match=r"share weights.*write s \* y \+ y as \(1 \+ s\) \* y"):
            combine()
    assert (dense(a) * a).sources  # a layer of new weights is independent of what it reads


IMAGES = points(2, 3, 5, 6)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (1, 2, 0), (2, 2, 0), (3, 1, 0)])
def test_conv_is_the_second_moment_of_patches(kernel: int, stride: int, padding: int) -> None:
    h = conv(inputs(IMAGES, IMAGES[:1]), kernel, 1.5, 0.1, stride, padding)
    patches = F.unfold(IMAGES, kernel, padding=padding, stride=stride)
    S = 1.5 * torch.einsum("icp,jcq->ijpq", patches, patches[:1]) / patches.shape[1] + 0.1
    torch.testing.assert_close(h.S, S)
    torch.testing.assert_close(h.T, S)
    torch.testing.assert_close(h.S_1[0], S[0, 0])
    assert h.S.shape[-1] == h.grid[0] * h.grid[1]


def test_pooling_flattening_and_gathering_are_linear_maps_of_positions() -> None:
    h = conv(inputs(IMAGES), 3, padding=1)
    grid = h.S.unflatten(-1, h.grid).unflatten(-3, h.grid)
    pooled = average_pool(h, 2)
    assert pooled.grid == (2, 3)
    torch.testing.assert_close(pooled.S[0, 1, 4, 1], grid[0, 1, 2:4, 2:4, 0:2, 2:4].mean())
    torch.testing.assert_close(average(h).S[..., 0, 0], h.S.mean((-2, -1)))
    torch.testing.assert_close(flatten(h).T[..., 0, 0], h.T.diagonal(dim1=-2, dim2=-1).mean(-1))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    both = gather(h, [order, torch.arange(30)])
    torch.testing.assert_close(both.S, (h.S[..., order, :][..., order] + h.S) / 2)


def test_normalisation_over_positions_has_unit_mean_square() -> None:
    h = normalise(activation(conv(inputs(IMAGES), 3, padding=1), "relu"), positions=True)
    assert h.mean is not None
    torch.testing.assert_close(h.variances[0].mean(1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(h.mean[0].mean(1), torch.zeros(2, dtype=torch.float64))
    assert float(h.mean[0].abs().max()) > 0.01


def test_a_covariance_can_be_the_input() -> None:
    direct, given = inputs(X), from_covariance(X @ X.T / 2)
    for h in (direct, given):
        assert h.S.dtype == torch.float64
    torch.testing.assert_close(activation(dense(given), "relu").T, activation(dense(direct), "relu").T)


@pytest.mark.parametrize(
    ("S", "message"),
    [
        (torch.eye(3)[:2], r"shape \(2, 3\); allowed: \(N, N\)"),
        (torch.tensor([[1.0, 0.5], [0.4, 1.0]]), r"not symmetric; allowed: .* take \(S \+ S.T\) / 2"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "eigenvalue -1; allowed: >= 0"),
        (torch.tensor([[1.0, torch.nan], [torch.nan, 1.0]]), "NaN or Inf"),
        (torch.eye(2).half(), "float16; allowed: float32 or float64"),
        (torch.eye(2).int(), "int32; allowed"),
    ],
)
def test_what_is_no_covariance_is_refused(S: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_covariance(S)


def test_bad_layers_are_refused() -> None:
    x = inputs(X)
    for weight, bias, message in ((0.0, 0.0, "weight is 0"), (1.0, -1.0, "bias is -1"), (float("nan"), 0.0, "weight")):
        with pytest.raises(ValueError, match=message):
            dense(x, weight, bias)
    with pytest.raises(ValueError, match=r"conv of features on a grid \(\)"):
        conv(x, 3)


@pytest.mark.parametrize(
    ("x1", "x2", "message"),
    [
        (torch.ones(2, 3).int(), None, "x1 has dtype torch.int32"),
        (torch.ones(2, 3), torch.ones(2, 3).half(), "x2 has dtype torch.float16"),
        (torch.ones(3), None, r"x1 has shape \(3,\)"),
        (torch.ones(0, 3), None, r"x1 has shape \(0, 3\)"),
        (torch.ones(2, 3), torch.ones(2, 4), r"x2 has shape \(2, 4\); allowed: points of shape \(3,\)"),
        (torch.full((2, 3), torch.inf), None, "x1 holds NaN or Inf"),
    ],
)
def test_bad_points_are_refused(x1: Tensor, x2: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inputs(x1, x2)


def test_flattening_keeps_the_mean_over_positions() -> None:
    """Second moments of flat - (its mean), with the features of all positions drawn side by side."""
    h = activation(conv(inputs(points(3, 2, 2, 2)), 1), "relu")
    flat = flatten(h)
    assert h.mean is not None
    assert flat.mean is not None
    torch.testing.assert_close(flat.mean[0], h.mean[0].mean(1, keepdim=True))
    moved = flat + 1.0
    expected = (h + 1.0).S.diagonal(dim1=-2, dim2=-1).mean(-1)
    torch.testing.assert_close(moved.S[..., 0, 0], expected)


def test_two_flattened_features_are_not_combined_where_the_mean_over_positions_would_be_wrong() -> None:
    x = inputs(points(3, 2, 2, 2))
    a, b = (flatten(activation(conv(x, 1), "relu")) for _ in range(2))
    for combine, what in ((multiply, "product"), (add, "sum")):
        with pytest.raises(ValueError, match=f"{what} of two flattened features.*before `flatten`"):
            combine(a, b)
    gate = activation(dense(inputs(X)), "relu")
    torch.testing.assert_close((a * gate).S, a.S * gate.S)
    assert (a * gate).mixed
    assert not dense(a * gate).mixed
    centred = flatten(conv(x, 1)), flatten(conv(x, 1))
    torch.testing.assert_close(add(*centred).S, centred[0].S + centred[1].S)
    with pytest.raises(ValueError, match="not Gaussian"):
        activation(centred[0], "relu")
