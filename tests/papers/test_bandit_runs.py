"""Runs of optimisers on objectives."""

from hpnets.papers.parts.bandit_runs import objective_of, optimiser, played
from hpnets.papers.parts.seeds import seed_for


def test_a_sampling_optimiser_does_not_draw_the_objective() -> None:
    """With one generator's seed for both, the first sample of the prior is the objective: a regret near 0."""
    gaps = []
    for seed in range(8):
        objective = objective_of("draw", 60, "digits", seed)
        opt = optimiser("gp-ts", objective.candidates, 32, 0.1, seed)
        gaps += played(opt, objective, 0.1, 1, 1, 1, seed)["regret"]
    assert sum(gaps) / len(gaps) > 0.8


def test_uses_and_seeds_have_seeds_of_their_own() -> None:
    seeds = {seed_for(use, seed) for use in ("points", "objective", "start", "optimiser") for seed in range(100)}
    assert len(seeds) == 400
    assert seed_for("points", 0) == seed_for("points", 0)
