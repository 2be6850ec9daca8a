"""The linearised and centred networks' kernels, and the sketch against its error bar."""

import copy

import pytest
import torch
from torch import nn

from hpnets.models import create_model
from hpnets.ntk import centre, linearize, ntk, sketch
from tests.ntk.oracle import dense_kernel, relative


def pair(name: str) -> tuple[nn.Module, dict[str, torch.Tensor], torch.Tensor]:
    """A net, other parameters for it, and inputs."""
    torch.manual_seed(0)
    make = lambda: create_model(name, input_shape=(5,), output_dim=3, width=6).double()  # noqa: E731
    return make(), {k: p.detach() for k, p in make().named_parameters()}, torch.randn(4, 5, dtype=torch.float64)


@pytest.mark.parametrize("name", ["mlp", "ncp"])
def test_linearised_net(name: str) -> None:
    net, start, x = pair(name)
    at_start = copy.deepcopy(net)
    at_start.load_state_dict(start)
    linear = linearize(net, start)
    truth = dense_kernel(at_start, x)
    assert relative(ntk(linear, x, outputs="full"), truth) < 1e-10
    with torch.no_grad():
        for d in linear.delta:
            d.normal_()
    assert relative(ntk(linear, x, outputs="full"), truth) < 1e-10
    zero = linearize(net)
    assert torch.allclose(zero(x), net(x))
    loss = linear(x).square().sum()
    loss.backward()
    assert all(d.grad is not None for d in linear.delta)


def test_linearised_net_is_the_first_order_of_the_net() -> None:
    net, _, x = pair("mlp")
    start = {k: p.detach() + 1e-5 for k, p in net.named_parameters()}
    assert torch.allclose(linearize(net, start)(x), net(x), rtol=0, atol=1e-8)
    with pytest.raises(ValueError, match="allowed: the trained parameters"):
        linearize(net, {"W": torch.ones(1)})


def test_centred_net() -> None:
    net, other, x = pair("ccp")
    centred = centre(net)
    assert float(centred(x).abs().max()) == 0
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(other[name])
    assert float(centred(x).abs().max()) > 0
    assert relative(ntk(centred, x, outputs="full"), dense_kernel(net, x)) < 1e-10


@pytest.mark.parametrize("outputs", ["full", "trace", "sum"])
def test_sketch_error_against_its_bar_over_seeds(outputs: str) -> None:
    net, _, x = pair("ccp")
    truth = ntk(net, x, outputs=outputs)
    errors = []
    for seed in range(12):
        estimate = sketch(net, x, outputs=outputs, samples=100, seed=seed)
        assert estimate.kernel.shape == estimate.standard_error.shape == truth.shape
        errors.append(((estimate.kernel - truth) / estimate.standard_error).flatten())
    z = torch.stack(errors)
    assert z.square().mean().sqrt() == pytest.approx(1, abs=0.25)
    assert float((z.abs() < 3).double().mean()) > 0.97
    # Unbiased: the mean over the seeds is within its own bar.
    assert float(z.mean(0).abs().max()) < 5 / 12**0.5


def test_sketch_error_falls_as_the_root_of_the_samples_and_seeds_repeat() -> None:
    net, _, x = pair("mlp")
    few, many = (sketch(net, x, outputs="trace", samples=k, seed=0) for k in (60, 960))
    assert float((few.standard_error / many.standard_error).mean()) == pytest.approx(4, rel=0.2)
    state = torch.random.get_rng_state()
    again = sketch(net, x, outputs="trace", samples=60, seed=0, memory="20KiB")
    assert torch.equal(state, torch.random.get_rng_state())
    assert relative(again.kernel, few.kernel) < 1e-12
    with pytest.raises(ValueError, match="samples is 1"):
        sketch(net, x, outputs="trace", samples=1, seed=0)
