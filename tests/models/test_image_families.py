"""What every family for images takes and refuses."""

import pytest
import torch

from tests.models.nets import samples, small

FAMILIES = [
    "adain",
    "cnn",
    "dpolynet",
    "film",
    "focalnet",
    "gmlp",
    "linear_attention",
    "mambaout",
    "monet",
    "pdc",
    "pinet",
    "resnet18",
    "rpolynet",
    "se_resnet",
    "spade",
    "starnet",
    "style_classifier",
    "van",
]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 17), (3, 224, 224)])
@pytest.mark.parametrize("name", FAMILIES)
def test_images_up_to_224x224(name: str, shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        y = small(name, input_shape=shape)(samples(2, shape))
    assert y.shape == (2, 3)
    assert y.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 7, 8), (3, 32, 7), (64,), (8, 8), (1, 1, 8, 8)])
@pytest.mark.parametrize("name", FAMILIES)
def test_other_inputs_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"input_shape is \(.*\); allowed: images .* of at least 8x8"):
        small(name, input_shape=shape)


@pytest.mark.parametrize("name", FAMILIES)
def test_mixed_precision_is_finite(name: str) -> None:
    net = small(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        y = net(samples())
    y.float().square().sum().backward()
    assert y.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_the_image_decides_the_output(name: str) -> None:
    """Moving content about matters, so no family pools before it looks."""
    net, x = small(name), samples()
    mixed = x.flatten(2)[..., torch.randperm(64, generator=torch.Generator().manual_seed(0))].reshape_as(x)
    assert (net(mixed) - net(x)).norm() > 1e-4 * net(x).norm()
