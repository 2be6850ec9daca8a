"""BACON: its bands, exactly, by the fast Fourier transform."""

import pytest
import torch
from torch import Tensor

from tests.models.nets import samples, small


def line(n: int, period: float) -> Tensor:
    """n equidistant points of one period, (n, 1)."""
    return (torch.arange(n, dtype=torch.float64) / n * period)[:, None]


@pytest.mark.parametrize("period", [1.0, 2.0])
def test_each_level_is_zero_beyond_its_band(period: float) -> None:
    net = small("bacon", input_shape=(1,), width=32, depth=3, frequency=2, period=period).double()
    levels = net.levels(line(64, period)).detach()
    spectrum = torch.fft.rfft(levels, dim=1, norm="forward").abs().amax(2)
    for level in (1, 2, 3):
        assert spectrum[level - 1, 2 * level + 1 :].max() < 1e-13
        assert spectrum[level - 1, 2 * level] > 1e-3


def test_the_band_in_two_dimensions() -> None:
    net = small("bacon", input_shape=(2,), width=64, depth=2, frequency=3, period=1.0).double()
    t = line(32, 1.0)[:, 0]
    values = net(torch.cartesian_prod(t, t)).detach().view(32, 32, 3)
    spectrum = torch.fft.fft2(values, dim=(0, 1), norm="forward").abs().amax(2)
    k = torch.fft.fftfreq(32, 1 / 32).abs()
    largest = torch.maximum(k[:, None], k[None, :])
    assert spectrum[largest > 6].max() < 1e-13
    assert spectrum[largest == 6].max() > 1e-3


def test_a_sum_does_not_widen_the_band() -> None:
    net = small("bacon", input_shape=(1,), width=32, depth=3, frequency=2, product="sum").double()
    assert torch.fft.rfft(net(line(64, 2.0)).detach(), dim=0, norm="forward").abs()[3:].max() < 1e-13


def test_it_is_periodic() -> None:
    net, x = small("bacon", input_shape=(2,), period=1.5).double(), samples(5, (2,), torch.float64)
    torch.testing.assert_close(net(x + 1.5), net(x), rtol=1e-10, atol=1e-10)
    assert not torch.allclose(net(x + 0.75), net(x))


def test_formula() -> None:
    net, x = small("bacon", input_shape=(2,), depth=3).double(), samples(5, (2,), torch.float64)
    k = [g.k for g in net.g]
    assert all(torch.equal(k_i, k_i.round()) and 1 <= k_i.abs().max() <= 2 for k_i in k)
    g = [torch.sin(torch.pi * x @ k_i.T + g_i.p) for k_i, g_i in zip(k, net.g, strict=True)]
    z = [g[0]]
    for W_i, g_i in zip(net.W, g[1:], strict=True):
        z.append((z[-1] @ W_i.weight.T + W_i.bias) * g_i)
    y = [z_i @ C_i.weight.T + C_i.bias for z_i, C_i in zip(z, net.C_i, strict=True)]
    torch.testing.assert_close(net(x), y[0] + y[1] + y[2], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(net.levels(x)[1], y[0] + y[1], rtol=1e-10, atol=1e-10)


def test_frequencies_are_frozen() -> None:
    net = small("bacon")
    assert not [name for name, _ in net.named_parameters() if name.endswith(".k")]
    assert [name for name in net.state_dict() if name.endswith(".k")] == [f"g.{i}.k" for i in range(4)]


@pytest.mark.parametrize(("key", "value"), [("frequency", 0), ("depth", 0), ("period", 0.0), ("period", -2.0)])
def test_bad_options(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{key} is {value}; allowed"):
        small("bacon", **{key: value})
