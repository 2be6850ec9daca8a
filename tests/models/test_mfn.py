"""Multiplicative filter networks against their formula, and their spectrum."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from tests.models.nets import samples, small, state_arrays


@pytest.mark.parametrize("name", ["mfn_fourier", "mfn_gabor"])
@pytest.mark.parametrize("depth", [1, 3])
def test_formula(name: str, depth: int) -> None:
    net = small(name, depth=depth, input_shape=(2,)).double()
    x, w = samples(5, (2,), torch.float64), state_arrays(net)
    flat = x.numpy()

    def g(i: int) -> np.ndarray:
        wave = np.sin(flat @ w[f"g.{i}.w.weight"].T + w[f"g.{i}.p"])
        if name == "mfn_fourier":
            return wave
        distance = np.square(flat[:, None] - w[f"g.{i}.mu"]).sum(2)
        return wave * np.exp(-w[f"g.{i}.gamma"] / 2 * distance)

    z = g(0)
    for i in range(depth - 1):
        z = (z @ w[f"W.{i}.weight"].T + w[f"W.{i}.bias"]) * g(i + 1)
    np.testing.assert_allclose(net(x).detach().numpy(), z @ w["C.weight"].T + w["C.bias"], rtol=1e-10, atol=1e-12)


def residual(values: Tensor, t: Tensor, frequencies: list[float]) -> float:
    """Share of values that no sum of a constant and sinusoids of these frequencies explains."""
    columns = [torch.ones_like(t)] + [wave(f * t) for f in frequencies for wave in (torch.cos, torch.sin)]
    A = torch.stack(columns, 1)
    return float((values - A @ torch.linalg.lstsq(A, values, driver="gelsd").solution).norm() / values.norm())


def test_the_fourier_spectrum_lies_in_the_sums_of_the_frequencies() -> None:
    """With one unit a layer: the frequencies |w_k|, |w_k +- w_(k-1)|, ..., each needed, and no others."""
    net = small("mfn_fourier", input_shape=(1,), width=1, depth=3, frequency=9.0).double()
    t = torch.linspace(-20, 20, 800, dtype=torch.float64)
    values = net(t[:, None]).detach()
    w = [g.w.weight.item() for g in net.g]
    signs = [s for n in (1, 2, 3) for s in itertools.product((1.0, -1.0), repeat=n) if s[0] > 0]
    sums = [abs(sum(s * w_i for s, w_i in zip(sign, reversed(w), strict=False))) for sign in signs]
    assert len(sums) == 7
    assert residual(values, t, sums) < 1e-9
    for missing in range(7):
        assert residual(values, t, sums[:missing] + sums[missing + 1 :]) > 1e-4


def test_the_sum_twin_has_the_filters_own_frequencies_only() -> None:
    net = small("mfn_fourier", input_shape=(1,), width=1, depth=3, frequency=9.0, product="sum").double()
    t = torch.linspace(-20, 20, 800, dtype=torch.float64)
    assert residual(net(t[:, None]).detach(), t, [g.w.weight.item() for g in net.g]) < 1e-9


@pytest.mark.parametrize("d", [1, 2, 64])
def test_frequencies_of_all_filters_add_up_to_the_option(d: int) -> None:
    torch.manual_seed(0)
    net = create_model("mfn_fourier", input_shape=(d,), output_dim=1, width=512, depth=3, frequency=20.0)
    total = sum(g.w.weight.square().sum(1).mean().item() for g in net.g)
    assert math.sqrt(total) == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("name", ["mfn_fourier", "mfn_gabor"])
def test_scale_does_not_fade_with_depth(name: str) -> None:
    torch.manual_seed(0)
    x = samples(256, (2,)).clamp(-1, 1)
    rms = [
        create_model(name, input_shape=(2,), output_dim=16, depth=depth)(x).square().mean().sqrt() for depth in (1, 8)
    ]
    assert 0.3 < rms[0] < 2
    assert 0.5 < rms[1] / rms[0] < 2


def test_gabor_windows_are_local() -> None:
    net = small("mfn_gabor", input_shape=(2,), depth=2)
    nn.init.zeros_(net.C.bias)
    far = torch.tensor([[60.0, 60.0]])
    assert net(far).abs().max() < 1e-3 * net(torch.zeros(1, 2)).abs().max()


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("key", ["frequency", "locality"])
def test_scales_are_positive(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{key} is {value!r}; allowed: a finite number > 0"):
        small("mfn_gabor", **{key: value})
