"""Half precision: who passes, who is refused, and that a refused run leaves nothing."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

from hpnets.layers.modulation import ModulatedConv2d
from hpnets.models import create_model, list_models
from hpnets.options import TrainerOptions
from hpnets.training import train
from hpnets.training.precision import check_half
from tests.models.nets import PICTURES, samples
from tests.training.runs import small_options

UNBOUNDED = [
    "bilinear",
    "ccp",
    "complex_ccp",
    "cope",
    "dcn",
    "ncp",
    "ncp_skip",
    "pnn",
    "pnn_skip",
    "poly_inr",
    "prodpoly",
    "swiglu",
]


@pytest.mark.parametrize("name", list_models())
def test_products_of_unbounded_features_are_refused_and_bounded_factors_pass(name: str) -> None:
    torch.manual_seed(0)
    net = create_model(name, input_shape=(1, 8, 8), output_dim=PICTURES.get(name, 10))
    message = rf"precision is '16-mixed'; allowed for this {type(net).__name__}: bf16-mixed, 32-true, 64-true"
    with pytest.raises(ValueError, match=message) if name in UNBOUNDED else nullcontext():
        check_half(net, samples(16), "16-mixed")


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_a_generator_is_tried_on_its_styles(demodulate: bool, fused: bool) -> None:
    """Its latents' scale is divided out; its styles grow in training, and with them a product of one a layer."""
    torch.manual_seed(0)
    net = create_model("style_generator", input_shape=(8,), output_dim=64, demodulate=demodulate, fused=fused)
    assert torch.allclose(net(100 * samples(4, (8,))), net.eval()(samples(4, (8,))), atol=1e-5)
    message = "allowed for this StyleGenerator: bf16-mixed"
    with nullcontext() if demodulate else pytest.raises(ValueError, match=message):
        check_half(net, samples(4, (8,)), "16-mixed")


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_wide_formats_are_not_tried(precision: str) -> None:
    check_half(nn.Identity().requires_grad_(False), torch.full((1, 1), float("inf")), precision)


def test_styles_as_large_as_they_like_do_not_leave_half_precision_with_demodulation_and_do_without() -> None:
    """The trap of modulated convolutions: a style of 1e4 times a feature of 1e2."""
    for demodulate in (True, False):
        torch.manual_seed(0)
        net = create_model("style_classifier", input_shape=(1, 8, 8), output_dim=3, width=8, demodulate=demodulate)
        for layer in net.layers:
            nn.init.constant_(layer.A.bias, 1e4)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.float16):
            assert bool(net(100 * samples()).isfinite().all()) == demodulate


@pytest.mark.parametrize("fused", [False, True])
def test_demodulation_undoes_large_weights_in_half_precision(fused: bool) -> None:
    """Squares of weights times 1000 leave float16; an infinite sum would make every output 0, finite but wrong."""
    torch.manual_seed(0)
    layer, x, s = ModulatedConv2d(64, 8, 3, demodulate=True, fused=fused), samples(2, (64, 6, 6)), samples(2, (64,))
    before = layer(x, s)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.float16):
        layer.weight.mul_(1000)
        after = layer(x, s.half())
    torch.testing.assert_close(after.float(), before.detach(), rtol=0.02, atol=0.02)


def test_the_check_touches_neither_statistics_nor_random_state() -> None:
    net = create_model("se_resnet", input_shape=(1, 8, 8), output_dim=3, width=4).eval()
    before, state = {key: value.clone() for key, value in net.state_dict().items()}, torch.get_rng_state()
    check_half(net, samples(16), "16-mixed")
    assert not net.training
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())
    assert torch.equal(state, torch.get_rng_state())


def test_a_refused_run_writes_nothing(tmp_path: Path) -> None:
    options = small_options(trainer=TrainerOptions(max_epochs=1, accelerator="cpu", precision="16-mixed"))
    with pytest.raises(ValueError, match=r"trainer.precision is '16-mixed'; allowed for this CCP: bf16-mixed"):
        train(options, tmp_path / "run")
    assert not (tmp_path / "run").exists()
