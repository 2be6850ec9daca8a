"""The coordinate check: a step moves each layer as far at every width under mup, and not under the models' own."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hpnets.models import create_model, list_models
from hpnets.options import OptimOptions
from hpnets.training.coordinate_checks import CoordinateCheck, coordinate_check
from tests.models.nets import image_families, samples

SLOW = [*image_families(), "style_generator"]
FAST = [name for name in list_models() if name not in SLOW]
COORDINATES = {"bacon", "fourier_features", "mfn_fourier", "mfn_gabor", "poly_inr", "siren"}
UNIT_NORM = {"pnn", "pnn_skip"}
HALVED = {"pnn": "v", "pnn_skip": "v"}  # layers that a factor of width^(-1/2) follows
OWN_MAY_BE_BOUNDED = {  # models whose output need not grow under "standard" (docs/results/parametrisation)
    "adam": {"pnn", "siren"},
    "sgd": {"pnn", "pnn_skip", "siren", "style_generator"},
}
OPTIMS = {"adam": OptimOptions("adam", lr=0.01), "sgd": OptimOptions("sgd", lr=0.03)}
LABELS = torch.randint(10, (16,), generator=torch.Generator().manual_seed(0))


def inputs(name: str) -> Tensor:
    """16 samples: points of the unit square for coordinate nets, else images, of unit norm for those made for it."""
    return samples(16, (2,)).tanh() if name in COORDINATES else samples(16) / (8 if name in UNIT_NORM else 1)


def check(name: str, kind: str, optimizer: str, widths: tuple[int, ...], seeds: int = 1) -> CoordinateCheck:
    """The check of a model on `inputs` and labels, the base width being the first one."""
    x, outputs = inputs(name), 64 if name == "style_generator" else 10

    def build(width: int) -> nn.Module:
        base = {"base_width": widths[0]} if kind == "mup" else {}
        options = {"width": width, "parametrisation": kind, **base}
        return create_model(name, input_shape=tuple(x.shape[1:]), output_dim=outputs, **options)

    def loss(f: Tensor) -> Tensor:
        return cross_entropy(f, LABELS)

    return coordinate_check(build, x, loss, OPTIMS[optimizer], widths, seeds=range(seeds))


def assert_bounded_under_mup_alone(
    name: str, optimizer: str, widths: tuple[int, ...], seeds: int, layers: float = 0.3
) -> None:
    """Under mup no layer moves farther in a wider net, by slopes below `layers`; under the model's own the output does.

    A slope may be below 0 at first: that of a gate or a pooled layer, whose gradient is a sum of independent terms
    until the read-out has learnt, and that of the output, which starts as O(1 / sqrt(width)).
    """
    mup, own = (check(name, kind, optimizer, widths, seeds).slopes for kind in ("mup", "standard"))
    growth = {layer: slope - 0.5 * (layer == HALVED.get(name)) for layer, slope in mup.items()}
    assert max(growth.values()) < layers, growth
    assert -0.75 < mup["f"] < 0.2
    assert own["f"] > 0.2 or name in OWN_MAY_BE_BOUNDED[optimizer]


@pytest.mark.parametrize("name", FAST)
def test_steps_are_of_one_size_under_mup_alone(name: str) -> None:
    assert_bounded_under_mup_alone(name, "adam", (32, 128, 512), seeds=1)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMS)
@pytest.mark.parametrize("name", FAST)
def test_dense_nets_from_64_to_1024(name: str, optimizer: str) -> None:
    assert_bounded_under_mup_alone(name, optimizer, (64, 128, 256, 512, 1024), seeds=3)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMS)
@pytest.mark.parametrize("name", SLOW)
def test_image_nets(name: str, optimizer: str) -> None:
    """Over so few widths a layer's slope differs from seed to seed by 0.2; under "standard" it is 0.9 and more."""
    widths = (8, 16, 32) if name == "resnet18" else (16, 32, 64)
    assert_bounded_under_mup_alone(name, optimizer, widths, seeds=2, layers=0.5)


def test_changes_by_hand() -> None:
    """One linear layer, two steps of plain gradient descent on f^2/2: f goes to (1 - lr |x|^2) f in each."""

    class Constant(nn.Linear):
        def __init__(self, width: int) -> None:
            super().__init__(2, 1, bias=False)
            nn.init.constant_(self.weight, width / 2)

    lr, x = 0.05, torch.tensor([[1.0, 2.0]])
    measured = coordinate_check(
        lambda width: nn.Sequential(Constant(width)),
        x,
        lambda f: f.square().sum() / 2,
        OptimOptions("sgd", lr),
        widths=(2, 8),
        steps=1,
    )
    assert measured.changes["f"] == pytest.approx([3 * lr * 5, 12 * lr * 5])
    assert measured.changes["0"] == measured.changes["f"]
    assert measured.slopes["f"] == pytest.approx(1)


def test_a_slope_is_that_of_a_power_law() -> None:
    measured = CoordinateCheck((2, 4, 16), {"a": [math.sqrt(w) for w in (2, 4, 16)], "b": [3.0, 3.0, 3.0]})
    assert measured.slopes == pytest.approx({"a": 0.5, "b": 0.0})


def test_the_check_leaves_layers_that_do_not_move_out() -> None:
    def build(width: int) -> nn.Module:
        net = nn.Sequential(nn.Linear(3, width), nn.Linear(width, 1))
        net[0].requires_grad_(False)
        return net

    measured = coordinate_check(build, torch.ones(2, 3), lambda f: f.sum(), OptimOptions("adam"), widths=(2, 4))
    assert set(measured.changes) == {"1", "f"}
