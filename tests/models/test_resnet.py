"""ResNet-18 against torchvision's and timm's."""

from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import nn

from tests.models.nets import samples, scramble, small


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(8, channels)


def torchvision_net(norm: Callable[[int], nn.Module]) -> nn.Module:
    """torchvision's ResNet-18 with a 3x3 stem and no max-pooling."""
    net = torchvision.models.resnet18(num_classes=3, norm_layer=norm)
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return net


@pytest.mark.parametrize(
    ("norm", "layer", "training"),
    [("batch", nn.BatchNorm2d, False), ("batch", nn.BatchNorm2d, True), ("group", group_norm, True)],
)
def test_it_is_torchvisions(norm: str, layer: Callable[[int], nn.Module], training: bool) -> None:
    net, oracle = small("resnet18", input_shape=(3, 16, 16), width=64, norm=norm), torchvision_net(layer)
    scramble_norms(net)
    oracle.load_state_dict(net.state_dict())
    x = samples(3, (3, 16, 16))
    torch.testing.assert_close(net.train(training)(x), oracle.train(training)(x), rtol=1e-5, atol=1e-5)
    for key, value in oracle.state_dict().items():
        torch.testing.assert_close(net.state_dict()[key], value, rtol=1e-5, atol=1e-5)


def test_it_is_timms() -> None:
    net = scramble(small("resnet18", input_shape=(3, 16, 16), width=64))
    oracle = timm.create_model("resnet18", num_classes=3).eval()
    oracle.conv1, oracle.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    oracle.load_state_dict(net.state_dict())
    x = samples(3, (3, 16, 16))
    torch.testing.assert_close(net(x), oracle(x), rtol=1e-5, atol=1e-5)


def test_the_literatures_parameter_count_for_cifar10() -> None:
    """ResNet-18 with a 3x3 stem and 10 classes: 11.17 million, to the parameter."""
    net = small("resnet18", input_shape=(3, 32, 32), output_dim=10, width=64)
    assert sum(p.numel() for p in net.parameters()) == 11_173_962


def scramble_norms(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5), nn.init.normal_(module.bias)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)


def test_group_norm_leaves_no_batch_norm() -> None:
    kinds = [type(module) for module in small("resnet18", norm="group").modules()]
    assert nn.BatchNorm2d not in kinds
    assert kinds.count(nn.GroupNorm) == 20
    assert not any(isinstance(m, nn.GroupNorm | nn.BatchNorm2d) for m in small("resnet18", norm="none").modules())
