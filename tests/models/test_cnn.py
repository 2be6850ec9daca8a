"""The plain convolutional net against torch.nn.Sequential."""

import pytest
import torch
from torch import nn

from tests.models.nets import samples, scramble, small


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_it_is_a_sequential(norm: str) -> None:
    net = scramble(small("cnn", norm=norm, input_shape=(2, 16, 16)))
    layers: list[nn.Module] = []
    for inputs, outputs, stride in [(2, 6, 1), (6, 12, 2), (12, 12, 1), (12, 24, 2)]:
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=norm == "none")]
        layers += [nn.BatchNorm2d(outputs)] if norm == "batch" else []
        layers += [nn.ReLU()]
    oracle = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 3)).eval()
    oracle.load_state_dict(dict(zip(oracle.state_dict(), net.state_dict().values(), strict=True)))
    x = samples(3, (2, 16, 16))
    torch.testing.assert_close(net(x), oracle(x))


def test_halvings_stop_at_4x4() -> None:
    net, widths = small("cnn", depth=8), []
    x = samples()
    for layer in net.get_submodule("layers").children():
        x = layer(x)
        widths.append((x.shape[1], x.shape[2]))
    assert widths == [(6, 8)] + [(12, 4)] * 7


def test_relu_keeps_the_scale_without_norm() -> None:
    torch.manual_seed(0)
    x = samples(8, (16, 16, 16))
    h = small("cnn", depth=10, width=32, norm="none", input_shape=(16, 16, 16)).get_submodule("layers")(x)
    assert 0.2 < h.square().mean().sqrt() < 3
