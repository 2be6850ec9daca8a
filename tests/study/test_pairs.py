"""The difference to a twin that was tuned as much."""

from typing import Any

import pytest

from hpnets.study import Result, Results, paired_difference

# Validation loss by rate: the net's is least at 0.1, the twin's at the end of the grid.
LOSSES = {"net": {0.01: 3.0, 0.1: 1.0, 1.0: 2.0}, "twin": {0.01: 3.0, 0.1: 2.0, 1.0: 1.0}}
TESTED = {"net": 0.9, "twin": 0.7}


def runs(network: str, steps: int = 10, seeds: int = 3, **changed: Any) -> Results:
    """Accuracy at the best rate is TESTED + seed / 100, and 0 elsewhere."""
    made = []
    for rate, loss in (LOSSES[network] | changed.get("losses", {})).items():
        for seed in range(seeds):
            options = {"network": network, "lr": rate, "seed": seed, "steps": steps}
            accuracy = TESTED[network] + seed / 100 if loss == 1.0 else 0.0
            made.append(Result("train", options, {"validation": loss + seed / 10, "test": {"accuracy": accuracy}}))
    return Results(tuple(made))


def test_each_is_measured_at_its_own_best_rate() -> None:
    difference = paired_difference(runs("net"), runs("twin"), ("test", "accuracy"))
    assert difference.differences == pytest.approx([0.2] * 3)
    assert (difference.net_rate, difference.twin_rate, difference.at_edge) == (0.1, 1.0, ("twin",))
    assert str(difference).endswith("rates 0.1 and 1 (twin), chosen on validation; the twin at the end of the grid")


@pytest.mark.parametrize(
    ("twin", "message"),
    [
        (runs("twin", steps=20), "the twin has the budget {'steps': 20}; allowed: that of its net, {'steps': 10}"),
        (runs("twin", seeds=2), "allowed: the same grid as its net"),
        (runs("twin", losses={2.0: 9.0}), "allowed: the same grid as its net"),
        (Results(runs("twin").items[1:]), "allowed: each seed once at each rate"),
    ],
)
def test_a_twin_that_was_tuned_less_is_refused(twin: Results, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("{", r"\{")):
        paired_difference(runs("net"), twin, ("test", "accuracy"))
