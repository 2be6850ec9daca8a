"""The coordinate check: a step moves each layer as far at every width under mup, and not under the models' own."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hpnets.models import create_model
from hpnets.options import OptimOptions
from hpnets.training.coordinates import CoordinateCheck, coordinate_check
from tests.models.nets import samples

DENSE = ("mlp", "ccp", "ncp", "swiglu")
IMAGES = ("cnn", "se_resnet", "starnet", "linear_attention")
OPTIMS = {"adam": OptimOptions("adam", lr=0.01), "sgd": OptimOptions("sgd", lr=0.03)}
LABELS = torch.randint(10, (16,), generator=torch.Generator().manual_seed(0))


def check(name: str, kind: str, optimizer: str, widths: tuple[int, ...], seeds: int = 1) -> CoordinateCheck:
    """The check of a model on 16 samples and labels, the base width being the first one."""

    def build(width: int) -> nn.Module:
        options = {"width": width, "base_width": widths[0] if kind == "mup" else None, "parametrisation": kind}
        return create_model(name, input_shape=(1, 8, 8), output_dim=10, **options)

    def loss(f: Tensor) -> Tensor:
        return cross_entropy(f, LABELS)

    return coordinate_check(build, samples(16), loss, OPTIMS[optimizer], widths, seeds=range(seeds))


def steepest(found: CoordinateCheck) -> float:
    """The slope that is farthest from 0."""
    return max(map(abs, found.slopes.values()))


@pytest.mark.parametrize("optimizer", OPTIMS)
@pytest.mark.parametrize("name", ["mlp", "ccp"])
def test_steps_are_of_one_size_under_mup_alone(name: str, optimizer: str) -> None:
    widths = (64, 256, 512)
    assert steepest(check(name, "mup", optimizer, widths)) < 0.3
    assert check(name, "standard", optimizer, widths).slopes["f"] > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMS)
@pytest.mark.parametrize("name", DENSE)
def test_dense_nets_from_64_to_1024(name: str, optimizer: str) -> None:
    widths = (64, 128, 256, 512, 1024)
    assert steepest(check(name, "mup", optimizer, widths, seeds=3)) < 0.3
    assert check(name, "standard", optimizer, widths, seeds=3).slopes["f"] > 0.4


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMS)
@pytest.mark.parametrize("name", IMAGES)
def test_image_nets(name: str, optimizer: str) -> None:
    """No layer moves farther in a wider net, and the output as far.

    That of a gate, whose gradient is a sum of independent terms until the read-out has learnt, moves less at first; and
    BatchNorm bounds the inner layers whatever the rates, so of the model's own only the output is asked to grow.
    """
    widths = (16, 32, 64, 128)
    found = check(name, "mup", optimizer, widths, seeds=2).slopes
    assert max(found.values()) < 0.2
    assert abs(found["f"]) < 0.25
    assert check(name, "standard", optimizer, widths, seeds=2).slopes["f"] > 0.3


def test_changes_by_hand() -> None:
    """One linear layer, two steps of plain gradient descent on f^2/2: f goes to (1 - lr |x|^2) f in each."""

    class Constant(nn.Linear):
        def __init__(self, width: int) -> None:
            super().__init__(2, 1, bias=False)
            nn.init.constant_(self.weight, width / 2)

    lr, x = 0.05, torch.tensor([[1.0, 2.0]])
    found = coordinate_check(
        lambda width: nn.Sequential(Constant(width)),
        x,
        lambda f: f.square().sum() / 2,
        OptimOptions("sgd", lr),
        widths=(2, 8),
        steps=1,
    )
    assert found.changes["f"] == pytest.approx([3 * lr * 5, 12 * lr * 5])
    assert found.changes["0"] == found.changes["f"]
    assert found.slopes["f"] == pytest.approx(1)


def test_a_slope_is_that_of_a_power_law() -> None:
    found = CoordinateCheck((2, 4, 16), {"a": [math.sqrt(w) for w in (2, 4, 16)], "b": [3.0, 3.0, 3.0]})
    assert found.slopes == pytest.approx({"a": 0.5, "b": 0.0})


def test_the_check_leaves_layers_that_do_not_move_out() -> None:
    def build(width: int) -> nn.Module:
        net = nn.Sequential(nn.Linear(3, width), nn.Linear(width, 1))
        net[0].requires_grad_(False)
        return net

    found = coordinate_check(build, torch.ones(2, 3), lambda f: f.sum(), OptimOptions("adam"), widths=(2, 4))
    assert set(found.changes) == {"1", "f"}
