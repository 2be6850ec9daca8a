"""What the extrapolation study fits and measures, against formulas."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from hpnets.papers.ensembles import Ensemble, far_degree, fit, make_ensemble, relative_error
from hpnets.papers.extrapolation.arithmetic import FOLDS, metrics, pair_data
from hpnets.papers.extrapolation.figures import degree_text
from hpnets.papers.extrapolation.lines import line_data, missing_sector
from hpnets.papers.networks import build, degree_outside
from tests.tasks.formats import write_files


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


def test_line_data_is_in_units_of_the_training_box() -> None:
    x, y, x_in, _, x_out, y_out = line_data("cubic", 1, 0, 64)
    assert float(x.abs().max()) <= 1
    assert float(x_in.abs().max()) <= 1 < float(x_out.abs().min())
    X = 2.5 * x_out.double()
    torch.testing.assert_close(y_out.double(), X**3 + X**2 - 5 * X + 5, rtol=1e-5, atol=1e-3)
    assert y.shape == (64, 1)


def test_a_polynomial_net_needs_no_direction_more_than_another() -> None:
    errors = missing_sector("ccp-2", "linear", 90, [0, 1, 2], 8, 32, 300, "cpu")
    assert max(errors["covered"] + errors["missing"]) < 0.2


def test_metrics_of_sums() -> None:
    f = torch.tensor([[[3.4], [2.6], [4.4], [4.6]]])
    hits = metrics(f, torch.full((1, 4, 1), 3.0))
    assert {name: values[0] for name, values in hits.items()} == {"round": 0.5, "floor or ceil": 0.5, "within 1": 0.75}


@pytest.mark.parametrize("fold", FOLDS)
def test_held_out_sums_are_held_out(fold: str) -> None:
    held = torch.tensor(FOLDS[fold])
    x, s, x_seen, s_seen, x_held, s_held = pair_data(held, 0, 256, None)
    assert [len(part) for part in (x, x_seen, x_held)] == [256, 2000, 2000]
    assert not torch.isin(torch.cat([s, s_seen]), held).any()
    assert torch.isin(s_held, held).all()


def test_sums_of_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files("mnist", tmp_path, monkeypatch)
    x, s, *_ = pair_data(torch.tensor(FOLDS["low"]), 0, 64, str(tmp_path))
    assert x.shape == (64, 1568)
    assert 4 <= float(s.min()) <= float(s.max()) <= 18


def test_numbers_are_rounded_to_what_they_say() -> None:
    assert degree_text([2.0, 2.0 + 1e-15, 2.0]) == "2.000"
    assert degree_text([2.0, 2.1, 2.2]) == "2.100 +- 0.1"
