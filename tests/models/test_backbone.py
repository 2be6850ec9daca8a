"""The stem and the depth of the residual families, and of the pyramids."""

import math
import re
from functools import partial

import pytest
import timm
import torch
import torchvision

from hpnets.models import list_models, model_options
from hpnets.models.backbone import ResidualNet
from hpnets.ntk import ntk
from hpnets.theory import limit_kernel
from tests.models.nets import PYRAMIDS, samples, scramble, small
from tests.ntk.oracle import dense_kernel, relative

FAMILIES = list_models(option="stem")


def test_which_families_there_are() -> None:
    residual = ["adain", "dpolynet", "film", "pdc", "pinet", "resnet18", "rpolynet", "se_resnet", "spade"]
    assert residual == FAMILIES
    assert all("blocks" in model_options(name) for name in FAMILIES)


@pytest.mark.parametrize(
    ("oracle", "blocks", "training"), [("resnet18", None, True), ("resnet34", [3, 4, 6, 3], False)]
)
def test_the_imagenet_stem_is_torchvisions(oracle: str, blocks: list[int] | None, training: bool) -> None:
    theirs = scramble(torchvision.models.get_model(oracle, num_classes=3))
    net = small("resnet18", input_shape=(3, 64, 64), width=64, stem="imagenet", blocks=blocks)
    net.load_state_dict(theirs.state_dict())
    x = samples(3, (3, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(net.train(training)(x), theirs.train(training)(x), rtol=1e-5, atol=1e-5)


def test_at_224x224_too_with_1000_classes() -> None:
    theirs = scramble(torchvision.models.resnet18()).eval()
    net = small("resnet18", input_shape=(3, 224, 224), output_dim=1000, width=64, stem="imagenet")
    net.load_state_dict(theirs.state_dict())
    x = samples(1, (3, 224, 224))
    with torch.no_grad():
        torch.testing.assert_close(net(x), theirs(x), rtol=1e-5, atol=1e-5)
    assert sum(p.numel() for p in net.parameters()) == 11_689_512


def test_se_resnet_with_the_imagenet_stem_is_timms() -> None:
    options = {"input_shape": (3, 64, 64), "size": "18", "width": 64, "reduction": 16}
    net = scramble(small("se_resnet", stem="imagenet", **options))
    attention = partial(timm.layers.SEModule, rd_divisor=1)
    theirs = timm.create_model("seresnet18", num_classes=3, block_args={"attn_layer": attention}).eval()
    theirs.load_state_dict(net.state_dict())
    x = samples(3, (3, 64, 64))
    torch.testing.assert_close(net(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 45, 37)])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_imagenet_stem_in_every_family(name: str, shape: tuple[int, ...]) -> None:
    net = small(name, input_shape=shape, stem="imagenet", **({"blocks": [1, 1, 1]} if name == "resnet18" else {}))
    assert net(samples(2, shape)).shape == (2, 3)
    h = net.stem(samples(2, shape))
    assert h.shape[2:] == tuple(math.ceil(side / 4) for side in shape[1:])


@pytest.mark.parametrize("name", FAMILIES)
def test_smaller_images_are_refused_by_it(name: str) -> None:
    with pytest.raises(ValueError, match=r"input_shape is \(1, 31, 32\); allowed: images .* of at least 32x32"):
        small(name, input_shape=(1, 31, 32), stem="imagenet")


@pytest.mark.parametrize(("blocks", "least"), [([1, 1, 1], 32), ([1, 1, 1, 1], 64)])
def test_instance_norm_wants_two_positions_in_the_last_stage(blocks: list[int], least: int) -> None:
    small("adain", input_shape=(1, least, least), stem="imagenet", blocks=blocks)
    with pytest.raises(ValueError, match=f"allowed: images .* of at least {least}x{least}"):
        small("adain", input_shape=(1, least - 1, least), stem="imagenet", blocks=blocks)


@pytest.mark.parametrize("name", ["pinet", "rpolynet"])
def test_the_maximum_breaks_the_degree(name: str) -> None:
    options = {"blocks": [1], "norm": "none", "activation": "none", "input_shape": (1, 32, 32)}
    net = small(name, stem="imagenet", **options).double()
    x, d = samples(2, (1, 32, 32), torch.float64)

    def third_difference() -> float:
        values = net(torch.stack([x + k * d for k in range(4)])).detach()
        return float(values.diff(n=3, dim=0).abs().max() / values.abs().max())

    assert third_difference() > 1e-4
    net.maxpool = torch.nn.Identity()
    assert third_difference() < 1e-12


def test_max_pooling_has_no_limit() -> None:
    net = small("resnet18", input_shape=(1, 32, 32), stem="imagenet", activation="none")
    with pytest.raises(ValueError, match="max-pooling has no limit here; allowed: stem 'small'"):
        limit_kernel(net, samples(2, (1, 32, 32)))


def test_the_kernel_of_the_imagenet_stem_is_that_of_the_dense_jacobian() -> None:
    net = small("pinet", input_shape=(1, 32, 32), width=2, stem="imagenet", blocks=[1, 2]).double()
    x = samples(2, (1, 32, 32), torch.float64)
    truth = dense_kernel(net, x)
    for algorithm in ("structured", "jacobian"):
        assert relative(ntk(net, x, outputs="full", algorithm=algorithm), truth) < 1e-10


@pytest.mark.parametrize("blocks", [[1], [2, 1], [1, 3, 2]])
@pytest.mark.parametrize("name", FAMILIES)
def test_blocks_are_those_of_each_stage(name: str, blocks: list[int]) -> None:
    net = small(name, blocks=blocks)
    assert isinstance(net, ResidualNet)
    assert [len(net.get_submodule(stage)) for stage in net.stages] == blocks
    assert net.get_parameter("fc.weight").shape[1] == 6 * 2 ** (len(blocks) - 1)
    assert net(samples()).isfinite().all()


def test_shares_of_variance_follow_the_blocks() -> None:
    net = small("pinet", blocks=[2, 3])
    assert net.get_parameter("layer2.2.bn.weight").tolist() == pytest.approx([5**-0.5] * 12)


def test_a_size_without_blocks_keeps_its_own() -> None:
    assert [len(small("pinet", size="18").get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [2, 2, 2, 2]


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", PYRAMIDS)
def test_depth_is_the_blocks_of_each_stage_of_a_pyramid(name: str, depth: int) -> None:
    keys = small(name, depth=depth).state_dict()
    deepest = small(name, depth=2).state_dict()
    per_block = (len(small(name, depth=4).state_dict()) - len(deepest)) // 2
    assert len(keys) == len(deepest) + (depth - 2) * per_block
    stages = {match[1] for key in keys if (match := re.match(r"stages\.(\d)\.", key))}
    assert per_block % len(stages) == 0
    assert small(name, depth=depth)(samples()).isfinite().all()
