"""timm's networks by name: built for a task's shapes, refused where an image does not fit, and without timm."""

import sys

import pytest
import torch

from hpnets.models import create_model, list_models, model_options, model_summary, reset_head
from hpnets.ntk import ntk

pytest.importorskip("timm")


def test_a_network_has_the_tasks_channels_outputs_and_size() -> None:
    for name, shape in (("timm/test_efficientnet", (1, 32, 32)), ("timm/test_vit", (3, 48, 32))):
        net = create_model(name, input_shape=shape, output_dim=4)
        assert net.training
        assert net.eval()(torch.zeros(2, *shape)).shape == (2, 4)
        reset_head(net, 7)
        assert net(torch.zeros(2, *shape)).shape == (2, 7)
        features = create_model(name, input_shape=shape, output_dim=0).eval()(torch.zeros(2, *shape))
        assert features.shape == (2, net.num_features)


def test_the_seed_decides_the_weights_and_rates_are_options() -> None:
    nets = []
    for rate in (0.0, 0.0, 0.3):
        torch.manual_seed(0)
        nets.append(create_model("timm/test_efficientnet", input_shape=(1, 32, 32), output_dim=2, drop_rate=rate))
    first, second, dropped = nets
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert (first.drop_rate, dropped.drop_rate) == (0.0, 0.3)
    assert list(model_options("timm/test_efficientnet")) == ["drop_rate", "drop_path_rate", "init"]
    assert model_summary("timm/test_efficientnet") == "test_efficientnet of timm, its weights drawn anew"
    drawn = create_model("timm/test_efficientnet", input_shape=(1, 32, 32), output_dim=2, init="orthogonal")
    gram = drawn.classifier.weight @ drawn.classifier.weight.T
    torch.testing.assert_close(gram, gram[0, 0] * torch.eye(2))


def test_the_kernel_is_that_of_autograd() -> None:
    torch.manual_seed(0)
    net = create_model("timm/test_efficientnet", input_shape=(1, 32, 32), output_dim=2).double().eval()
    x = torch.randn(3, 1, 32, 32, dtype=torch.float64)
    outputs = net(x)[:, 1]
    rows = [torch.autograd.grad(y, [*net.parameters()], retain_graph=True) for y in outputs]
    gradients = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    torch.testing.assert_close(ntk(net, x, outputs=1), gradients @ gradients.T)


def test_they_are_listed_by_their_pattern_alone() -> None:
    assert "timm/resnet18" in list_models("timm/resnet1*")
    assert not [name for name in list_models() if name.startswith("timm/")]


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        ("timm/resnet81", (1, 32, 32), {}, "unknown model 'timm/resnet81'; did you mean timm/resnet18"),
        ("timm/", (1, 32, 32), {}, r"unknown model 'timm/'; allowed: those that `hpnets models 'timm/\*'` lists"),
        ("timm/test_efficientnet", (5,), {}, r"input_shape is \(5,\); allowed: images"),
        ("timm/test_vit", (1, 8, 8), {}, r"input_shape is \(1, 8, 8\); allowed for 'timm/test_vit'"),
        (
            "timm/vgg11",
            (1, 8, 8),
            {},
            r"input_shape is \(1, 8, 8\); allowed for 'timm/vgg11': sizes that it takes; it says: ",
        ),
        ("timm/test_efficientnet", (1, 32, 32), {"drop_rate": 1.0}, "drop_rate is 1.0; allowed: a number >= 0 and < 1"),
        ("timm/vgg11", (1, 32, 32), {"drop_path_rate": 0.1}, "drop_path_rate is 0.1; allowed for 'timm/vgg11', which"),
        (
            "timm/test_efficientnet",
            (1, 32, 32),
            {"width": 3},
            "model 'timm/test_efficientnet' has no option 'width'; ",
        ),
    ],
)
def test_what_does_not_fit_is_refused(name: str, shape: tuple, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_model(name, input_shape=shape, output_dim=2, **options)


def test_without_timm_one_line_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="model is 'timm/resnet18', which needs timm, and it is not installed: pip"):
        create_model("timm/resnet18", input_shape=(1, 32, 32), output_dim=2)
