"""Networks trained many at once, and the degrees of networks far outside, against formulas and plain training."""

from functools import partial

import pytest
import torch
from torch import nn

from hpnets.papers.parts.ensembles import Ensemble, far_degree, fit, make_ensemble, relative_error
from hpnets.papers.parts.networks import build, degree_outside


def test_an_ensemble_trains_each_member_as_it_would_be_alone() -> None:
    make = partial(build, "ccp-3", 2, 1, 4)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 16, 2, generator=generator), torch.randn(2, 16, 1, generator=generator)
    together = make_ensemble(make, [0, 1], "cpu")
    fit(together, x, y, steps=20, lr=0.01)
    for m in range(2):
        torch.manual_seed(m)
        net = make()
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for step in range(20):
            optimizer.param_groups[0]["lr"] = 0.005 * float(1 + torch.cos(torch.tensor(torch.pi * step / 20)))
            optimizer.zero_grad()
            (net(x[m]) - y[m]).square().mean().backward()
            optimizer.step()
        torch.testing.assert_close(together(x)[m], net(x[m]), rtol=1e-4, atol=1e-5)


def test_a_member_that_diverges_leaves_the_others_alone() -> None:
    make = partial(build, "ccp-3", 1, 1, 4)
    x, y = torch.randn(2, 8, 1, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 8, 1)
    alone, together = make_ensemble(make, [1], "cpu"), make_ensemble(make, [0, 1], "cpu")
    y[0] = torch.inf
    fit(together, x, y, steps=5, lr=0.01)
    fit(alone, x[1:], y[1:], steps=5, lr=0.01)
    assert not together(x)[0].isfinite().all()
    torch.testing.assert_close(together(x)[1], alone(x[1:])[0])


@pytest.mark.parametrize("network", ["mlp", "pnn-2", "pnn1-3", "pnn1-3-sum", "ccp-4", "ccp-10", "ccp-4-sum"])
@pytest.mark.parametrize("dim", [1, 3])
def test_the_degree_outside_is_that_of_the_architecture(network: str, dim: int) -> None:
    ensemble = make_ensemble(partial(build, network, dim, 1, 64), [0, 1, 2], "cpu")
    degrees = far_degree(ensemble, dim, "cpu")
    assert degrees.tolist() == pytest.approx([degree_outside(network)] * 3, abs=0.02)


def test_the_degree_of_a_known_polynomial() -> None:
    class Power(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.c * x[:, :1] ** 5 - 3 * x[:, :1] ** 2

    ensemble: Ensemble = make_ensemble(Power, [0], "cpu")
    assert float(far_degree(ensemble, 1, "cpu")[0]) == pytest.approx(5, abs=1e-3)


def test_relative_error_is_one_for_the_best_constant() -> None:
    y = torch.randn(2, 50, 1, generator=torch.Generator().manual_seed(0))
    assert relative_error(y.mean(1, keepdim=True).expand_as(y), y).tolist() == pytest.approx([1, 1])
    assert relative_error(y, y).tolist() == [0, 0]
