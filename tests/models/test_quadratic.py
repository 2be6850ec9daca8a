"""Quadratic neurons against their formula, and their degree."""

import pytest
import torch
from torch import Tensor, nn

from hpnets.models.quadratic import FORMS, QuadraticLayer
from hpnets.ntk import ntk
from hpnets.theory import limit_kernel
from tests.models.nets import relative_difference, samples, small
from tests.ntk.oracle import dense_kernel, relative


def scramble_norms(net: nn.Module) -> nn.Module:
    """Batch statistics and affine parameters as after training, not the identity."""
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
    return net


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("training", [False, True])
def test_formula(activation: str, training: bool) -> None:
    net = scramble_norms(small("quadratic", depth=2, activation=activation).double()).train(training)
    h = x = samples(dtype=torch.float64)
    h = h.flatten(1)
    for layer in net.layers:
        terms = []
        for W, bn in [(layer.W_1, layer.norm_1), (layer.W_2, layer.norm_2), (layer.W_3, layer.norm_3)]:
            u = h @ W.weight.T
            mean, var = (u.mean(0), u.var(0, correction=0)) if training else (bn.running_mean, bn.running_var)
            terms.append((u - mean) / (var + bn.eps).sqrt() * bn.weight + bn.bias)
        h = terms[0] * terms[1] + terms[2]
        h = h.relu() if activation == "relu" else h
    torch.testing.assert_close(net(x), h @ net.C.weight.T + net.C.bias, rtol=1e-10, atol=1e-10)


def test_biases_stand_where_there_is_no_norm() -> None:
    assert "layers.0.W_3.bias" in small("quadratic", depth=1, norm="none").state_dict()
    assert "layers.0.W_3.bias" not in small("quadratic", depth=1, norm="batch").state_dict()


def by_hand(form: str, u: list[Tensor], powers: Tensor) -> Tensor:
    return {
        "full": u[0] * u[1] + u[2],
        "product": u[0] * u[1],
        "squared": u[0] ** 2 + u[2],
        "residual": u[0] * u[1] + u[0],
        "powers": u[0] * u[1] + powers,
    }[form]


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    layer = QuadraticLayer(5, 4, "none", form, "hadamard").double()
    h = samples(3, (5,), torch.float64)
    maps = [getattr(layer, f"W_{i}", nn.Identity()) for i in (1, 2, 3)]
    expected = by_hand(form, [W(h)[:, :4] for W in maps], maps[2](h * h)[:, :4])
    torch.testing.assert_close(layer(h), expected, rtol=1e-12, atol=1e-12)
    assert {name[:3] for name, _ in layer.named_parameters()} == {f"W_{i}" for i in FORMS[form]}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_its_kernel_and_no_product_in_its_twin(form: str) -> None:
    net = scramble_norms(small("quadratic", form=form).double())
    assert relative_difference(small("quadratic", form=form, product="sum").double(), 2) < 1e-12
    x = samples(3, dtype=torch.float64)
    assert relative(ntk(net, x, outputs="full"), dense_kernel(net, x)) < 1e-10


def test_forms_without_a_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="form 'squared' of quadratic neurons has no limit here; allowed: form 'full'"):
        limit_kernel(small("quadratic", form="squared"), samples(2))
