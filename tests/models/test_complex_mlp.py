"""The complex MLP against torch's complex numbers: values, and gradients by complex autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import ntk
from tests.models.nets import samples, small


def unit(z: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(z.real), z.angle())


ACTIVATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda z, b: z,
    "split_relu": lambda z, b: torch.complex(z.real.relu(), z.imag.relu()),
    "split_tanh": lambda z, b: torch.complex(z.real.tanh(), z.imag.tanh()),
    "cardioid": lambda z, b: z * (1 + z.angle().cos()) / 2,
    "zrelu": lambda z, b: torch.where((z.angle() > 0) & (z.angle() < torch.pi / 2), z, 0),
    "modrelu": lambda z, b: (z.abs() + b).relu() * unit(z),
    "phase_tanh": lambda z, b: z.abs().tanh() * unit(z),
}


@pytest.mark.parametrize("complex_input", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_and_gradients_are_those_of_complex_numbers(activation: str, complex_input: bool) -> None:
    net = small("complex_mlp", depth=2, activation=activation, complex_input=complex_input).double()
    for p in net.parameters():
        if p.ndim == 1:
            nn.init.normal_(p, std=0.2)
    x = samples(dtype=torch.float64)
    W = [torch.complex(W_l.A.weight, W_l.B.weight).detach().requires_grad_() for W_l in net.W]
    bias = [torch.complex(W_l.a, W_l.b).detach().requires_grad_() for W_l in net.W]
    flat = x.flatten(1)
    z = torch.complex(flat[:, :32], flat[:, 32:]) if complex_input else flat + 0j
    for W_l, b_l, s in zip(W, bias, net.s, strict=True):
        z = ACTIVATIONS[activation](z @ W_l.T + b_l, getattr(s, "b", torch.zeros(6)).detach())
    V = torch.complex(net.V.weight[:, :6], -net.V.weight[:, 6:]).detach()
    expected = (z @ V.T).real + net.V.bias.detach()
    y = net(x)
    torch.testing.assert_close(y, expected, rtol=1e-8, atol=1e-8)
    loss_weights = samples(4, (3,), torch.float64)
    (y * loss_weights).sum().backward()
    (expected * loss_weights).sum().backward()
    for layer, W_l, b_l in zip(net.W, W, bias, strict=True):
        for real, imaginary, measured in [(layer.A.weight, layer.B.weight, W_l), (layer.a, layer.b, b_l)]:
            torch.testing.assert_close(torch.complex(real.grad, imaginary.grad), measured.grad, rtol=1e-6, atol=1e-6)


def test_without_activation_it_is_complex_linear() -> None:
    """f(i z) of a linear map without biases: its real part is minus the imaginary one of f(z)."""
    net = small("complex_mlp", activation="none", complex_input=True, input_shape=(8,)).double()
    x = samples(5, (8,), torch.float64)
    times_i = torch.cat([-x[:, 4:], x[:, :4]], 1)
    twice = torch.cat([-times_i[:, 4:], times_i[:, :4]], 1)
    torch.testing.assert_close(net(twice), -net(x), rtol=1e-10, atol=1e-10)
    assert not torch.allclose(net(times_i), net(x))


@pytest.mark.parametrize("activation", ["none", "split_relu", "cardioid", "zrelu", "modrelu"])
def test_scale_does_not_fade_with_depth(activation: str) -> None:
    torch.manual_seed(0)
    net = create_model("complex_mlp", input_shape=(64,), output_dim=16, depth=8, width=256, activation=activation)
    assert 0.4 < net(samples(64, (64,))).square().mean().sqrt() < 2.5


def witness(activation: str) -> float:
    """Spread of the normalised kernel of two unit vectors of C^8, <x, x'> = .3 + i t, over t = 0, .4, .8."""
    e, i = torch.eye(16, dtype=torch.float64)[0], torch.eye(16, dtype=torch.float64)[8]
    rest = torch.eye(16, dtype=torch.float64)[1]
    measured = []
    for t in (0.0, 0.4, 0.8):
        x = torch.stack([e, 0.3 * e + t * i + (1 - 0.09 - t**2) ** 0.5 * rest])
        kernels = []
        for seed in range(3):
            torch.manual_seed(seed)
            net = create_model(
                "complex_mlp", input_shape=(16,), output_dim=1, width=512, activation=activation, complex_input=True
            )
            kernels.append(ntk(net.double(), x, outputs="full")[:, :, 0, 0])
        K = torch.stack(kernels).mean(0)
        measured.append(float(K[0, 1] / (K[0, 0] * K[1, 1]).sqrt()))
    return max(measured) - min(measured)


def test_the_split_kernel_is_blind_to_the_imaginary_inner_product_and_the_cardioid_one_is_not() -> None:
    assert witness("split_relu") < 0.03
    assert witness("cardioid") > 0.05


def test_complex_input_of_odd_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"input_shape is \(5,\); allowed with complex_input: evenly many features"):
        small("complex_mlp", input_shape=(5,), complex_input=True)
    with pytest.raises(ValueError, match="activation is 'splitrelu'; did you mean split_relu"):
        small("complex_mlp", activation="splitrelu")
