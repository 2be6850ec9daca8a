"""The style generator: its modulation's identities, its noise, its sizes, and the discriminator against it."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from hpnets.models import create_model, generates_pictures, list_models
from hpnets.models.discriminator import Discriminator, spread
from hpnets.models.style_generator import StyleGenerator, picture_of, sides_of
from hpnets.ntk import ntk
from tests.models.nets import samples, small


def generator(pixels: int = 64, latent: int = 5, **options: Any) -> StyleGenerator:
    net = small("style_generator", input_shape=(latent,), output_dim=pixels, **options)
    assert isinstance(net, StyleGenerator)
    return net


def louden(net: nn.Module) -> nn.Module:
    """The net with noise that counts."""
    for name, p in net.named_parameters():
        if name.endswith("strength"):
            nn.init.constant_(p, 0.5)
    return net


@pytest.mark.parametrize("demodulate", [False, True])
def test_fused_is_unfused(demodulate: bool) -> None:
    z = samples(3, (5,), torch.float64)
    one, other = (generator(demodulate=demodulate, fused=fused).double()(z) for fused in (False, True))
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_the_scale_of_styles_is_undone_by_demodulation() -> None:
    """Styles times 30 leave every map as it is, so only the colours, which are not demodulated, may be scaled."""
    z = samples(3, (5,), torch.float64)
    for demodulate in (True, False):
        net = generator(demodulate=demodulate).double()
        before = net(z)
        for level in net.levels:
            for block in level.get_submodule("blocks").children():
                with torch.no_grad():
                    block.get_submodule("A").get_parameter("weight").mul_(30)
                    block.get_submodule("A").get_parameter("bias").mul_(30)
        assert torch.allclose(net(z), before, rtol=1e-9, atol=1e-9) == demodulate


@pytest.mark.parametrize("fused", [False, True])
def test_a_sample_does_not_see_another_samples_style(fused: bool) -> None:
    net, w = generator(fused=fused).double(), samples(2, (64,), torch.float64)
    x, f = net.constant.expand(2, -1, -1, -1), torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    changed = torch.stack([w[0], 50 * w[1].flip(0)])
    before, after = net.levels[0](x, f, w), net.levels[0](x, f, changed)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[0], other[0])
        assert not torch.allclose(one[1], other[1])


def test_latents_count_by_their_direction() -> None:
    net, z = generator().double(), samples(3, (5,), torch.float64)
    assert torch.allclose(net(7 * z), net(z), atol=1e-5)
    assert not torch.allclose(net(-z), net(z))
    assert net(0 * z).isfinite().all()


def test_noise_is_drawn_from_the_seed_in_training_and_fixed_in_eval_mode() -> None:
    net, z = louden(generator()), samples(3, (5,))
    assert torch.equal(net(z), net(z))
    net.train()
    torch.manual_seed(3)
    first, second = net(z), net(z)
    torch.manual_seed(3)
    assert torch.equal(net(z), first)
    assert not torch.allclose(first, second)
    quiet = generator(noise=False).train()
    assert torch.equal(quiet(z), quiet(z))
    assert not [name for name, _ in quiet.named_parameters() if "strength" in name]


def test_noise_differs_between_pictures_in_training_but_not_at_strength_0() -> None:
    net, z = generator().train(), samples(1, (5,)).expand(2, -1)
    torch.testing.assert_close(*net(z))
    assert not torch.allclose(*louden(net)(z))


@pytest.mark.parametrize(
    ("size", "side", "colours", "sides"),
    [
        ("mini", 8, 1, [4, 8]),
        ("small", 28, 1, [7, 14, 28]),
        ("small", 32, 3, [4, 8, 16, 32]),
        ("base", 224, 3, [7, 14, 28, 56, 112, 224]),
    ],
)
def test_sizes(size: str, side: int, colours: int, sides: list[int]) -> None:
    assert sides_of(side) == sides
    width = {"width": 2} if size == "base" else {}
    net = create_model("style_generator", input_shape=(6,), output_dim=colours * side**2, size=size, **width).eval()
    y = net(samples(2, (6,)))
    assert y.shape == (2, colours * side**2)
    assert 0.2 < y.std() < 5
    assert len(net.get_submodule("levels")) == len(sides)
    assert len(net.get_submodule("mapping.W")) == {"mini": 2, "small": 4, "base": 8}[size]


def test_widths_double_towards_coarser_levels_up_to_the_limit() -> None:
    net = create_model("style_generator", input_shape=(6,), output_dim=32**2, size="small")
    levels = net.get_submodule("levels").children()
    channels = [len(level.get_parameter("blocks.0.conv.weight")) for level in levels]
    assert channels == [128, 128, 64, 32]


def test_the_picture_is_the_sum_of_what_the_levels_add() -> None:
    """Without the first level's colours the picture lacks them, doubled."""
    net, z = generator().double(), samples(2, (5,), torch.float64)
    whole, first = net(z), net.levels[0]
    w = net.mapping(z * z.square().mean(1, keepdim=True).rsqrt())
    x, colours = first(net.constant.expand(2, -1, -1, -1), torch.zeros(2, 1, 4, 4, dtype=torch.float64), w)
    _, rest = net.levels[1](x, torch.zeros_like(colours), w)
    added = net.levels[1].get_submodule("up")(colours) + rest
    torch.testing.assert_close(whole, added.flatten(1), rtol=1e-6, atol=1e-6)


def test_transforms_and_kernels_see_a_whole_picture() -> None:
    """Of 8x8, with noise; the contract's has none."""
    net, z = louden(generator(64)).double(), samples(3, (5,), torch.float64)
    params = {name: p.detach() for name, p in net.named_parameters()}
    jacobian = vmap(jacrev(lambda p, zi: functional_call(net, p, (zi[None],))[0]), (None, 0))(params, z)
    rows = torch.cat([jacobian[name].reshape(3, 64, -1) for name in params], 2)
    expected = torch.einsum("nop,mop->nm", rows, rows)
    for algorithm in ("structured", "jacobian", "ntkvp"):
        kernel = ntk(net, z, outputs="trace", algorithm=algorithm)
        torch.testing.assert_close(kernel, expected, rtol=1e-9, atol=1e-9)


def test_pictures_are_square_grey_or_coloured() -> None:
    assert [picture_of(n) for n in (64, 784, 3072, 3, 1)] == [(1, 8), (1, 28), (3, 32), (3, 1), (1, 1)]
    for wrong in (10, 2, 128):
        with pytest.raises(ValueError, match=f"output_dim is {wrong}; allowed: n \\* n or 3 \\* n \\* n"):
            generator(wrong)


def test_one_model_makes_pictures() -> None:
    assert [name for name in list_models() if generates_pictures(name)] == ["style_generator"]
    with pytest.raises(ValueError, match="unknown model 'style_generater'; did you mean style_generator"):
        generates_pictures("style_generater")


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (1, 5, 5)])
def test_discriminator_gives_one_logit_a_picture_and_every_weight_a_gradient(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    net = Discriminator(shape, width=4)
    y = net(samples(6, shape))
    assert y.shape == (6,)
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_discriminator_sees_how_much_pictures_differ() -> None:
    x = samples(4, (2, 3, 3), torch.float64)
    std = x.var(0, unbiased=False).sqrt().mean()
    wider = spread(x)
    assert torch.equal(wider[:, :2], x)
    assert torch.allclose(wider[:, 2], std.expand(4, 3, 3), atol=1e-6)
    same = x[:1].expand(4, -1, -1, -1)
    assert spread(same)[:, 2].abs().max() < 1e-3
