"""Cells of the study: how draws are distributed, and what optimisers find."""

from typing import Any

import torch

from hpnets.bandits import STOBNTS, Surrogate, Training, sample_paths
from hpnets.bandits.objectives import categorical, sphere_points
from hpnets.kernels import GaussianProcess
from hpnets.papers.bandit_runs import objective_of, optimiser, played
from hpnets.papers.drawn_networks import kernel, maker
from hpnets.papers.posterior_draws import distances, lost, problem
from hpnets.papers.thompson_sampling.sizes import LOUD, NOISE, Sizes
from hpnets.study import Cell, grid
from hpnets.tasks import create_task

Measured = dict[str, Any]
# Seeds of the objectives on which amplitudes are chosen.
VALIDATION = 1000


def cells(sizes: Sizes) -> list[Cell]:
    """The cells; ValueError for images that are none."""
    if len(create_task(sizes.images).input_shape) != 3:
        raise ValueError(f"images is {sizes.images!r}; allowed: digits, fashion_mnist, mnist, cifar10")
    points = {"observed": sizes.observed, "unseen": sizes.unseen, "draws": sizes.draws}
    few = tuple(range(sizes.exact_seeds))
    made = grid(fixed_features, network=sizes.fixed, seed=few, width=sizes.width, **points)
    made += grid(fresh_networks, network=sizes.fresh, seed=(0,), width=sizes.fresh_width, **points)
    made += grid(prior, network=sizes.fixed[-1], seed=few, width=sizes.width, draws=sizes.draws, points=sizes.unseen)
    seeds = tuple(range(sizes.seeds))
    run: Measured = {"width": sizes.width, "noise": NOISE, "initial": sizes.initial, "images": sizes.images}
    run |= {"candidates": sizes.candidates, "evaluations": sizes.evaluations}
    made += grid(regret, objective="draw", method=("random", "gp-ts", "gp-ucb"), batch=1, seed=seeds, **run)
    made += grid(regret, objective="draw", method="linear", batch=(1, sizes.batch), seed=seeds, **run)
    made += grid(regret, objective="draw", method="linear-quiet", batch=1, seed=seeds, **run)
    pair = ("linear", "linear-quiet")
    made += grid(regret, objective="draw", method=pair, batch=1, seed=seeds, **{**run, "noise": LOUD})
    some = tuple(range(sizes.network_seeds))
    made += grid(regret, objective="draw", method=f"network-{sizes.steps}", batch=1, seed=some, **run)
    made += grid(regret, objective=sizes.objectives, method=("random", "linear"), batch=1, seed=seeds, **run)
    run["evaluations"] = sizes.product_evaluations
    networks = tuple(f"{product}{twin}" for product in sizes.products for twin in ("", "-sum"))
    return made + grid(
        interactions, network=networks, share=sizes.shares, amplitude=sizes.amplitudes, seed=seeds, **without(run)
    )


def without(run: Measured) -> Measured:
    return {key: value for key, value in run.items() if key != "images"}


def fixed_features(
    network: str, seed: int, width: int, observed: int, unseen: int, draws: int, device: str
) -> Measured:
    """Draws of one network linearised, theta_0' drawn whole: the posterior of its own kernel T_0, s^2 = mean T_0(x, x).

    f = f_0 + T_0* A (y + s e - f_0(X)), f_0 = J theta_0'.
    """
    x, y, new = (part.to(device) for part in problem(network, observed, unseen, seed))
    surrogate, generator = Surrogate(maker(network, x, width)), torch.Generator().manual_seed(seed)
    theta = surrogate.draw(1, generator).theta
    J = surrogate.features(theta, torch.cat([x, new]))[0].double()
    T = J @ J.T
    s = float(T.diagonal().mean()) ** 0.5
    gp = GaussianProcess(T[:observed, :observed], y[:, None], noise=s)
    posterior = gp.condition(T[observed:, :observed], T[observed:, observed:])
    f_0 = torch.cat([torch.randn(500, J.shape[1], generator=generator).double() @ J.T for _ in range(draws // 500 + 1)])
    f_0, made = f_0[:draws], {}
    for name, size in (("noise", s), ("quiet", 0.0)):
        e = size * torch.randn(draws, observed, generator=generator, dtype=torch.float64)
        right = (y + e - f_0[:, :observed]).T
        c = GaussianProcess(T[:observed, :observed], right, noise=s).coefficients
        made[name] = distances(f_0[:, observed:] + (T[observed:, :observed] @ c).T, posterior)
    predicted = lost(T[:observed, :observed], T[observed:, :observed], s, posterior.covariance)
    return made | {"predicted": predicted}


def fresh_networks(
    network: str, seed: int, width: int, observed: int, unseen: int, draws: int, device: str
) -> Measured:
    """Draws of STO-BNTS-Linear, each of a network of its own, against the posterior of the limit kernel."""
    x, y, new = (part.to(device) for part in problem(network, observed, unseen, seed))
    k, surrogate, made = kernel(network, x), Surrogate(maker(network, x, width)), {}
    s = float(k(x, x).diagonal().mean()) ** 0.5
    posterior = GaussianProcess(k, y[:, None], x, noise=s).predict(new)
    for name, target_noise in (("noise", True), ("quiet", False)):
        training, generator = Training(target_noise=target_noise), torch.Generator().manual_seed(seed)
        f = sample_paths(surrogate, x, y, new, draws, generator, noise=s, training=training, memory="256MiB")
        made[name] = distances(f, posterior)
    return made | {"predicted": lost(k(x, x), k(new, x), s, posterior.covariance)}


def prior(network: str, seed: int, width: int, draws: int, points: int, device: str) -> Measured:
    """The covariance of f_0 against the limit kernel T, the read-out of theta_0' zero, and kept."""
    x = sphere_points(points, 3, seed).to(device)
    surrogate, T = Surrogate(maker(network, x, width)), kernel(network, x)(x, x)
    made: Measured = {"floor": ((1 + float(T.trace()) ** 2 / float(T.norm()) ** 2) / draws) ** 0.5}
    for name, keep in (("zeroed", False), ("kept", True)):
        generator = torch.Generator().manual_seed(seed)
        parts = [surrogate.draw(min(100, draws), generator, keep) for _ in range(max(1, draws // 100))]
        f_0 = torch.cat([surrogate.prior(part, x) for part in parts]).double()
        made[name] = float((torch.cov(f_0.T) - T).norm() / T.norm())
    return made


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
        objective = categorical(6, 4, candidates, share, at)
        make = maker(network, objective.candidates, width, amplitude)
        run = played(STOBNTS(make, noise, seed=at), objective, noise, initial, evaluations, 1, at)
        made |= {name: run["total"], f"{name} hit": run["hit"], f"{name} regret": run["regret"]}
    return made
