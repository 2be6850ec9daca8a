"""What every family for images takes and refuses."""

import importlib
import re
from typing import Any

import pytest
import torch

from hpnets.models import create_model, model_options
from hpnets.models.registry import _MODELS
from tests.models.nets import image_families, samples, small

FAMILIES = image_families()


def sizes(name: str) -> list[str]:
    """The named sizes of a family, as its module (or the backbone's) lists them."""
    if "size" not in model_options(name):
        return []
    own = importlib.import_module(_MODELS.get(name).__module__)
    return list(getattr(own, "SIZES", importlib.import_module("hpnets.models.backbone").SIZES))


SIZES = [(name, size) for name in FAMILIES for size in sizes(name)]


LEAST = {("adain", "18"): 16, ("monet", "t"): 32, ("monet", "s"): 32}  # of nets built for 224x224; 8 for the others


def test_which_families_there_are() -> None:
    assert {"adain", "cnn", "gmlp", "monet", "pinet", "resnet18", "starnet", "van"} <= set(FAMILIES)
    assert not {"ccp", "mlp", "siren"} & set(FAMILIES)
    assert {("pinet", "18"), ("starnet", "s4"), ("monet", "t"), ("film", "mini")} <= set(SIZES)


@pytest.mark.parametrize("name", FAMILIES)
def test_images_up_to_224x224(name: str) -> None:
    for shape in ((1, 8, 8), (1, 28, 28), (3, 9, 17), (3, 224, 224)):
        with torch.no_grad():
            y = small(name, input_shape=shape)(samples(2, shape))
        assert y.shape == (2, 3), shape
        assert y.isfinite().all(), shape


@pytest.mark.slow
@pytest.mark.parametrize("side", [8, 28, 32, 224])
@pytest.mark.parametrize("name", FAMILIES)
def test_default_widths_from_8x8_to_224x224(name: str, side: int) -> None:
    with torch.no_grad():
        y = create_model(name, input_shape=(3, side, side), output_dim=10).eval()(samples(1, (3, side, side)))
    assert y.shape == (1, 10)
    assert y.isfinite().all()
    assert y.abs().max() < 1e3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), SIZES)
def test_named_sizes_start_moderate_at_224x224(name: str, size: str) -> None:
    """In eval mode, where the kernel at the start is measured: before any normalisation has seen a batch."""
    with torch.no_grad():
        y = create_model(name, input_shape=(3, 224, 224), output_dim=1000, size=size).eval()(samples(1, (3, 224, 224)))
    assert y.isfinite().all()
    assert 0 < y.abs().max() < 1e3


@pytest.mark.parametrize("name", FAMILIES)
def test_other_inputs_are_refused(name: str) -> None:
    for shape in ((1, 7, 8), (3, 32, 7), (64,), (8, 8), (1, 1, 8, 8)):
        with pytest.raises(
            ValueError, match=rf"input_shape is {re.escape(str(shape))}; allowed: images .* of at least 8x8"
        ):
            small(name, input_shape=shape)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        *[(name, {"size": size}, LEAST.get((name, size), 8)) for name, size in SIZES if name != "gmlp"],
        *[("cnn", {"depth": 12}, 8), ("resnet18", {}, 8), ("style_classifier", {}, 8)],
        *[("style_classifier", {"depth": 6}, 32), ("resnet18", {"stem": "imagenet"}, 32)],
        *[("film", {"norm": "instance", "size": "18"}, 16), ("spade", {"stem": "imagenet"}, 32)],
    ],
)
def test_nets_for_large_images_take_small_ones_down_to_their_least_side(
    name: str, options: dict[str, Any], least: int
) -> None:
    net = small(name, input_shape=(1, 224, 224), **options)
    with torch.no_grad():
        assert net(samples(2, (1, least, least))).isfinite().all()
    with pytest.raises(ValueError, match=rf"^x is .*; allowed: \(batch, 1, >= {least}, >= {least}\)$"):
        net(samples(2, (1, least, least - 1)))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_image_decides_the_output(name: str) -> None:
    """Moving content about matters, so no family pools before it looks."""
    net, x = small(name), samples()
    mixed = x.flatten(2)[..., torch.randperm(64, generator=torch.Generator().manual_seed(0))].reshape_as(x)
    assert (net(mixed) - net(x)).norm() > 1e-4 * net(x).norm()
