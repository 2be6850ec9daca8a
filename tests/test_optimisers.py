"""An optimiser registers itself, and is then an option, with the rates that it asks for."""

import pytest
import torch
from torch import nn

from hpnets.models import create_model, parameter_groups
from hpnets.optimisers import OPTIMISERS, Groups, Settings, register_optimiser
from hpnets.options import OptimOptions
from hpnets.training.lit import make_optimizer


@pytest.fixture
def lamb(monkeypatch: pytest.MonkeyPatch) -> type[torch.optim.Optimizer]:
    """Adamax as "lamb", whose decay is part of the gradient."""
    monkeypatch.setattr(OPTIMISERS, "_entries", dict(OPTIMISERS.entries))

    @register_optimiser("lamb", rates="adam", decays_gradient=True)
    def make(groups: Groups, o: Settings) -> torch.optim.Optimizer:
        return torch.optim.Adamax(groups, o.lr)

    return torch.optim.Adamax


def wide() -> nn.Module:
    return create_model("mlp", input_shape=(4,), output_dim=2, width=32, parametrisation="mup", base_width=8)


def test_a_new_one_gets_the_rates_that_it_asks_for(lamb: type[torch.optim.Optimizer]) -> None:
    rates = [{group["lr"] for group in parameter_groups(wide(), name, 0.1)} for name in ("lamb", "adam", "sgd")]
    assert rates[0] == rates[1] != rates[2]
    with pytest.raises(ValueError, match=r"weight_decay is 0\.5 with lamb and rates that differ"):
        parameter_groups(wide(), "lamb", 0.1, weight_decay=0.5)


def test_a_new_one_is_made_by_name(lamb: type[torch.optim.Optimizer]) -> None:
    made = make_optimizer(nn.Linear(2, 2), OptimOptions("lamb", lr=0.25))
    assert type(made) is lamb
    assert made.param_groups[0]["lr"] == 0.25


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ValueError, match="optimiser 'sgd' is registered already"):
        register_optimiser("sgd", rates="sgd")(lambda groups, o: torch.optim.SGD(groups, o.lr))
