"""Rates as weights, and thresholds of stability, against steps of torch's own optimisers."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from hpnets.curvature import hessian, learning_rate, network_loss, rate_weights, stability_threshold
from hpnets.layers.parametrisation import parameter_groups
from hpnets.models import create_model
from tests.linalg.oracles import small_net


def grows(curvature: float, **options: Any) -> bool:
    """Whether SGD diverges on h x^2 / 2."""
    x = nn.Parameter(torch.ones((), dtype=torch.float64))
    optimizer = SGD([x], **options)
    for _ in range(400):
        optimizer.zero_grad()
        (curvature * x**2 / 2).backward()
        optimizer.step()
    return float(x.detach().abs()) > 1


@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9}, {"momentum": 0.5, "dampening": 0.3}, {"momentum": 0.7, "nesterov": True}]
)
def test_sgd_is_stable_up_to_the_threshold_and_no_further(options: dict[str, Any]) -> None:
    edge = stability_threshold(SGD([nn.Parameter(torch.ones(()))], lr=0.1, **options))
    assert not grows(0.98 * edge, lr=0.1, **options)
    assert grows(1.02 * edge, lr=0.1, **options)


@pytest.mark.parametrize("b", [0.9, 0.5])
def test_adams_threshold_is_that_of_its_momentum_with_the_preconditioner_held_fixed(b: float) -> None:
    edge = stability_threshold(Adam([nn.Parameter(torch.ones(()))], lr=0.1, betas=(b, 0.999)))
    assert edge == pytest.approx(38 / 0.1) or b != 0.9
    for factor in (0.98, 1.02):
        x, mean = 1.0, 0.0
        for _ in range(2000):
            mean = b * mean + (1 - b) * factor * edge * x
            x -= 0.1 * mean
        assert (abs(x) > 1) == (factor > 1)


def one_step(optimizer: Optimizer, net: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient (P,) and the displacement (P,) of a step."""
    x, y = torch.randn(8, 4, dtype=torch.float64), torch.arange(8) % 3
    before = torch.cat([p.detach().flatten().clone() for p in net.parameters()])
    optimizer.zero_grad()
    cross_entropy(net(x), y).backward()
    optimizer.step()
    gradient = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
    return gradient, torch.cat([p.detach().flatten() for p in net.parameters()]) - before


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SGD, {}),
        (Adam, {"betas": (0.0, 0.9), "eps": 1e-2}),
        (AdamW, {"betas": (0.0, 0.9), "weight_decay": 0.0}),
        (Adam, {"betas": (0.0, 0.9), "amsgrad": True}),
    ],
)
def test_a_step_without_momentum_is_minus_lr_d_g(kind: Any, options: dict[str, Any]) -> None:
    """Also under a schedule, and with a group of its own rate."""
    net = small_net()
    groups = [{"params": net[0].parameters(), "lr": 0.03}, {"params": [*net[2].parameters(), *net[4].parameters()]}]
    optimizer = kind(groups, lr=0.01, **options)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    params = dict(net.named_parameters())
    if kind is not SGD:
        assert rate_weights(params, optimizer) is None
    for step in range(3):
        assert learning_rate(optimizer) == pytest.approx(0.01 / (1 + step))
        gradient, moved = one_step(optimizer, net)
        weights = rate_weights(params, optimizer)
        assert weights is not None
        D = torch.cat(
            [torch.as_tensor(weights[name], dtype=p.dtype).expand(p.shape).flatten() for name, p in params.items()]
        )
        torch.testing.assert_close(moved, -learning_rate(optimizer) * D * gradient, rtol=1e-9, atol=1e-14)
        schedule.step()


def test_weights_are_the_factors_of_a_parametrisation() -> None:
    net = create_model("mlp", input_shape=(4,), output_dim=3, width=64, parametrisation="mup", base_width=16)
    factors = rate_weights(dict(net.named_parameters()), SGD(parameter_groups(net, "sgd", 0.5), lr=0.5))
    assert factors == pytest.approx({name: s.sgd for name, s in net.scalings.items()})
    assert len(set(factors.values())) > 1
    loss = network_loss(net.eval(), cross_entropy)
    hessian(loss, loss.params, (torch.randn(4, 4), torch.zeros(4).long()), weights=factors)


def test_other_optimisers_and_parameters_are_refused() -> None:
    net = small_net()
    params = dict(net.named_parameters())
    for call in (stability_threshold, lambda o: rate_weights(params, o)):
        with pytest.raises(ValueError, match="the optimiser is a RMSprop; allowed: SGD, Adam, AdamW"):
            call(RMSprop(net.parameters()))
    with pytest.raises(ValueError, match=r"'2.weight' is in no group"):
        rate_weights(params, SGD(net[0].parameters(), lr=0.1))
    zero = SGD(net.parameters(), lr=0.1)
    zero.param_groups[0]["lr"] = 0.0
    assert stability_threshold(zero) == float("inf")
