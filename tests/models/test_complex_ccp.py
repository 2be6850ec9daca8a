"""The complex CCP against torch's complex numbers: values, gradients by complex autograd, what it cannot learn."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from tests.models.nets import samples, small
from tests.models.test_complex_mlp import ACTIVATIONS

VARIANTS = [
    {"skip": skip, "product": product, "shared": shared}
    for skip, product, shared in itertools.product((False, True), ("hadamard", "sum"), (False, True))
]


def by_complex_numbers(net: Any, x: Tensor, U: list[Tensor]) -> Tensor:
    """The formula of the docstring in complex tensors."""
    half = x.shape[1] // 2
    z = torch.complex(x[:, :half], x[:, half:]) if net.complex_input else x + 0j
    b = torch.zeros(6)  # of modrelu, at the start
    features = [ACTIVATIONS[net.s[0].name](z @ U_n.T, b) for U_n in U]
    y = features[0]
    for n in range(1, net.degree):
        factor = features[1 if net.shared else n]
        product = factor + y if net.product.additive else factor * y
        y = product + y if net.skip else product
    return (y @ torch.complex(net.C.weight[:, :6], -net.C.weight[:, 6:]).T).real + net.C.bias


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_and_gradients_are_those_of_complex_numbers(activation: str, dtype: torch.dtype) -> None:
    """cardioid and phase_tanh add 1e-12 under the root of |z|, which costs digits in float64 near 0."""
    smooth = activation in ("none", "split_relu", "split_tanh", "zrelu")
    tolerance = 1e-10 if dtype == torch.float64 and smooth else 1e-6
    for variant, complex_input in itertools.product(VARIANTS, (False, True)):
        options: dict[str, Any] = {"degree": 3, "activation": activation, "complex_input": complex_input, **variant}
        net: Any = small("complex_ccp", **options).to(dtype)
        x, weights = samples(8, dtype=dtype), samples(8, (3,), dtype)
        U = [torch.complex(U_n.A.weight, U_n.B.weight).detach().requires_grad_() for U_n in net.U]
        y, expected = net(x), by_complex_numbers(net, x.flatten(1), U)
        assert float((y - expected).norm()) < tolerance * float(1 + expected.norm())
        (y * weights).sum().backward()
        grads = torch.autograd.grad((expected * weights).sum(), U)
        for layer, grad in zip(net.U, grads, strict=True):
            ours = torch.complex(layer.A.weight.grad, layer.B.weight.grad)
            assert float((ours - grad).norm()) < tolerance * float(1 + grad.norm())


def test_degree_1_is_a_complex_mlp_of_one_layer() -> None:
    net = small("complex_ccp", degree=1, activation="cardioid", complex_input=True)
    mlp: Any = small("complex_mlp", depth=1, activation="cardioid", complex_input=True)
    weights = [*net.state_dict().values()]
    mlp.load_state_dict(dict(zip(["W.0.A.weight", "W.0.B.weight", "V.weight", "V.bias"], weights, strict=True)), False)
    assert torch.equal(net(samples()), mlp(samples()))


@pytest.mark.parametrize("skip", [False, True])
def test_without_activation_f_is_pluriharmonic(skip: bool) -> None:
    """d^2 f / dz_j d conj(z_k) = 0 for all j, k, whose real and imaginary parts are those of 4 real second derivatives.

    |z_1|^2 and Re z_1 conj(z_2) have some that are not 0, so that no weights give them; with a split activation f has.
    """
    x = samples(1, (6,), torch.float64)[0]

    def mixed(net: nn.Module) -> float:
        H: Any = torch.autograd.functional.hessian(lambda x: net(x[None])[0, 0], x)
        uu, uv, vu, vv = H[:3, :3], H[:3, 3:], H[3:, :3], H[3:, 3:]
        return float((torch.complex(uu + vv, uv - vu)).norm() / H.norm())

    made = {"input_shape": (6,), "degree": 3, "skip": skip, "complex_input": True}
    assert mixed(small("complex_ccp", **made).double()) < 1e-14
    assert mixed(small("complex_ccp", activation="split_tanh", **made).double()) > 0.05
    assert mixed(small("ccp", input_shape=(6,), degree=3, skip=skip).double()) > 0.05


def test_the_scale_of_the_start_is_that_of_the_formula() -> None:
    """E f^2 = (1 + 1)^(N - 1) for z of unit mean square with a skip, else 1: S = c (1 + c)^(N - 1) or c^N at c = 1."""
    x = samples(64, (512,), torch.float64)
    x = x / x.square().mean(1, keepdim=True).sqrt() * 0.5**0.5
    for skip, expected in ((True, 4.0), (False, 1.0)):
        torch.manual_seed(0)
        made = {"degree": 3, "width": 4096, "complex_input": True, "skip": skip}
        net = create_model("complex_ccp", input_shape=(512,), output_dim=64, **made).double()
        assert float(net(x).square().mean()) == pytest.approx(expected, rel=0.2)


def test_complex_input_of_odd_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"input_shape is \(5,\); allowed with complex_input: evenly many features"):
        small("complex_ccp", input_shape=(5,), complex_input=True)
