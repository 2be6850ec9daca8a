"""Cells of the study: how draws are distributed, and what optimisers find."""

from typing import Any

from hpnets.bandits import STOBNTS
from hpnets.bandits.objectives import categorical
from hpnets.papers.parts.bandit_runs import objective_of, optimiser, played
from hpnets.papers.parts.data import check_images
from hpnets.papers.parts.drawn_networks import maker
from hpnets.papers.parts.posterior_draws import fixed_features, fresh_networks, prior
from hpnets.papers.parts.seeds import seed_for
from hpnets.papers.thompson_sampling.sizes import LOUD, NOISE, PEERS, Sizes
from hpnets.study import Cell, grid

Measured = dict[str, Any]
# Seeds of the objectives on which amplitudes are chosen.
VALIDATION = 1000


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, first those that need another library; ValueError for images that are none and for its name."""
    if sizes.peer not in PEERS:
        raise ValueError(f"peer is {sizes.peer!r}; allowed: {', '.join(PEERS)}")
    peers = (sizes.peer,) if sizes.peer != PEERS[0] else ()
    check_images(sizes.task)
    seeds, few = tuple(range(sizes.seeds)), tuple(range(sizes.exact_seeds))
    run: Measured = {"width": sizes.width, "noise": NOISE, "initial": sizes.initial, "images": sizes.task}
    run |= {"candidates": sizes.candidates, "evaluations": sizes.evaluations}
    made = grid(regret, objective=("draw", *sizes.objectives), method=peers, batch=1, seed=seeds, **run)
    points = {"observed": sizes.observed, "unseen": sizes.unseen, "draws": sizes.draws}
    made += grid(fixed_features, network=sizes.fixed, seed=few, width=sizes.width, **points)
    made += grid(fresh_networks, network=sizes.fresh, seed=few, width=sizes.fresh_width, **points)
    made += grid(prior, network=sizes.fixed[-1], seed=few, width=sizes.width, draws=sizes.draws, points=sizes.unseen)
    made += grid(regret, objective="draw", method=("random", "gp-ts", "gp-ucb"), batch=1, seed=seeds, **run)
    made += grid(regret, objective="draw", method="linear", batch=(1, sizes.batch), seed=seeds, **run)
    pair = ("linear", "linear-quiet")
    made += grid(regret, objective="draw", method=pair, batch=1, seed=seeds, **{**run, "noise": LOUD})
    few = seeds[: sizes.network_seeds]
    made += grid(regret, objective="draw", method=f"network-{sizes.steps}", batch=1, seed=few, **run)
    made += grid(regret, objective=sizes.objectives, method=("random", "linear"), batch=1, seed=seeds, **run)
    run = {**run, "evaluations": sizes.product_evaluations}
    del run["images"]
    networks = tuple(f"{product}{twin}" for product in sizes.products for twin in ("", "-sum"))
    axes = {"share": sizes.shares, "amplitude": sizes.amplitudes, "seed": seeds}
    return made + grid(interactions, network=networks, **axes, **run)


def regret(
    objective: str,
    method: str,
    batch: int,
    seed: int,
    width: int,
    noise: float,
    initial: int,
    images: str,
    candidates: int,
    evaluations: int,
    device: str,
) -> Measured:
    """What a method finds; objective, first points and noise are the same for all methods of a seed."""
    of = objective_of(objective, candidates, images, seed)
    opt = optimiser(method, of.candidates, width, noise, seed)
    return played(opt, of, noise, initial, evaluations, batch, seed)


def interactions(
    network: str,
    share: float,
    amplitude: float,
    seed: int,
    width: int,
    noise: float,
    initial: int,
    candidates: int,
    evaluations: int,
    device: str,
) -> Measured:
    """STO-BNTS-Linear with this network on a categorical objective, and, for the choice of amplitude, on another."""
    made: Measured = {}
    for name, at in (("of", seed), ("validation", seed + VALIDATION)):
        objective = categorical(6, 4, candidates, share, seed_for("objective", at))
        make = maker(network, objective.candidates, width, amplitude)
        opt = STOBNTS(make, noise, seed=seed_for("optimiser", at))
        run = played(opt, objective, noise, initial, evaluations, 1, at)
        made |= {name: run["total"], f"{name} hit": run["hit"], f"{name} regret": run["regret"]}
    return made
