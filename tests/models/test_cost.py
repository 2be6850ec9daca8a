"""Parameters and FLOPs against counts by hand."""

import itertools

import pytest
import timm
import torch
from torch import Tensor, nn

from hpnets.layers import hadamard
from hpnets.models import create_model
from hpnets.models.cost import Cost, cost
from tests.models.nets import IMAGE, small


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("depth", "width"), [(0, 5), (1, 7), (3, 16)])
def test_mlp(depth: int, width: int, bias: bool) -> None:
    sizes = [64] + [width] * depth + [3]
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    counted = cost(small("mlp", depth=depth, width=width, bias=bias), IMAGE)
    assert counted == Cost(weights + bias * sum(sizes[1:]), 2 * weights, 0)


@pytest.mark.parametrize(("degree", "width"), [(1, 4), (2, 7), (5, 16)])
def test_ccp(degree: int, width: int) -> None:
    """N matrices U_n, a read-out, and N - 1 products of `width` elements."""
    weights, products = degree * 64 * width + 3 * width, (degree - 1) * width
    assert cost(small("ccp", degree=degree, width=width), IMAGE) == Cost(weights + 3, 2 * weights + products, products)
    twin = small("ccp", degree=degree, width=width, product="sum")
    assert cost(twin, IMAGE) == Cost(weights + 3, 2 * weights, 0)


def test_cnn() -> None:
    """Four 3x3 convolutions, two of which halve 8x8 to 4x4 and (as 4x4 must remain) no further."""
    layers = [(1, 6, 64), (6, 12, 16), (12, 12, 16), (12, 12, 16)]
    weights = sum(9 * a * b for a, b, _ in layers)
    multiply_adds = sum(9 * a * b * positions for a, b, positions in layers) + 12 * 3
    affine = sum(2 * b for _, b, _ in layers)
    assert cost(small("cnn"), IMAGE) == Cost(weights + affine + 12 * 3 + 3, 2 * multiply_adds, 0)


@pytest.mark.parametrize("ratio", [2, 4])
def test_starnet(ratio: int) -> None:
    """Three stages of 4x4, 2x2 and 1x1 positions with 1, 1 and 2 blocks; stem 12 channels at 8x8."""
    weights, biases, norms, multiply_adds, products = 9 * 12, 12, 2 * 12, 9 * 12 * 64, 0
    inputs = 12
    for c, positions, depth in [(6, 16, 1), (12, 4, 1), (24, 1, 2)]:
        weights, biases, norms = weights + 9 * inputs * c, biases + c, norms + 2 * c
        multiply_adds += 9 * inputs * c * positions
        block = 2 * 49 * c + 3 * ratio * c * c
        weights += depth * block
        biases, norms = biases + depth * (3 * c + 2 * ratio * c), norms + depth * 4 * c
        multiply_adds += depth * block * positions
        products += depth * ratio * c * positions
        inputs = c
    head, norms = 24 * 3, norms + 2 * 24
    expected = Cost(weights + biases + norms + head + 3, 2 * (multiply_adds + head) + products, products)
    assert cost(small("starnet", ratio=ratio), IMAGE) == expected


def test_matrix_products_of_attention() -> None:
    """K^T V and Q (K^T V) of 4 tokens: twice n d^2 / heads multiply-adds, none of them a Hadamard product."""
    net = small("linear_attention", depth=1)
    n, d, heads = 4, 6, 2
    linear = 16 * d * n + n * (4 * d * d + 2 * 2 * d * d) + d * 3
    assert cost(net, IMAGE).flops == 2 * (linear + 2 * n * d * d // heads)
    assert cost(net, IMAGE).products == 0


class Products(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        y = hadamard(x, x) * 2.0 * self.scale  # one product: a number and a weight a feature rescale
        return y + x * y


def test_what_counts_as_a_product() -> None:
    assert cost(Products(), (3, 4)) == Cost(4, 24, 24)


def test_networks_that_are_not_ours_count_alike() -> None:
    ours = create_model("starnet", input_shape=(3, 32, 32), output_dim=3, size="s1")
    assert cost(ours, (3, 32, 32)) == cost(timm.create_model("starnet_s1", num_classes=3), (3, 32, 32))


def test_the_net_is_left_as_it_was() -> None:
    net = small("pinet").train().double()
    frozen = net.get_submodule("bn1").eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert cost(net, IMAGE).products > 0
    assert net.training
    assert not frozen.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    with pytest.raises(ValueError, match="x is"):
        cost(net, (5, 8, 8))
    assert net.training


@pytest.mark.parametrize("shape", [(0, 8, 8), (1, -8), (2.0,)])
def test_shapes_that_are_none(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"input_shape is .*; allowed: an integer >= 1"):
        cost(small("mlp"), shape)
