"""Objectives and optimisers by name, what a run of one on the other finds, and its picture."""

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hpnets.bandits import GPUCB, STOBNTS, AskAndTell, BoTorch, GPThompson, RandomSearch
from hpnets.bandits.objectives import (
    Objective,
    branin,
    categorical,
    hartmann6,
    images_by_class,
    kernel_draw,
    on_box,
    sphere_points,
    svm_digits,
)
from hpnets.papers.parts.drawn_networks import kernel, maker
from hpnets.papers.parts.seeds import seed_for
from hpnets.study import Results
from hpnets.study.charts import band, categories, without_marker
from hpnets.tasks import create_task


def objective_of(name: str, candidates: int, images: str, seed: int) -> Objective:
    """The objective by name, with values of mean 0 and variance 1 (a draw: about 1)."""
    drawn = seed_for("objective", seed)
    if name == "draw":
        x = sphere_points(candidates, 4, seed_for("points", seed))
        return kernel_draw(kernel("mlp", x), x, drawn)
    if name in ("branin", "hartmann6"):
        function, dim = {"branin": (branin, 2), "hartmann6": (hartmann6, 6)}[name]
        return lifted(on_box(function, dim, candidates, drawn))
    if name == "svm":
        return lifted(svm_digits())
    if name == "categorical":
        return categorical(6, 4, candidates, 0.5, drawn)
    task = create_task(images, seed=seed)
    task.setup()
    x, labels = task.train_set.batch(range(candidates))
    return images_by_class(x.flatten(1), labels, drawn)


def lifted(objective: Objective) -> Objective:
    """The objective on the sphere: x becomes (x, 1) / |(x, 1)|, since networks without biases see directions alone."""
    x = torch.nn.functional.pad(objective.candidates, (0, 1), value=1.0)
    return Objective(torch.nn.functional.normalize(x), objective.values)


def optimiser(method: str, x: Tensor, width: int, noise: float, seed: int) -> AskAndTell:
    """random, gp-ts, gp-ucb (limit kernel), linear, linear-quiet (without target noise), network-<steps>, botorch."""
    k, make, seed = kernel("mlp", x), maker("mlp", x, width), seed_for("optimiser", seed)
    name, _, how = method.partition("-")
    if name == "random":
        return RandomSearch(seed)
    if name == "botorch":
        return BoTorch(noise, seed)
    if name == "gp":
        return GPThompson(k, noise, seed=seed) if how == "ts" else GPUCB(k, noise, seed=seed)
    if name == "network":
        return STOBNTS(make, noise, "network", steps=int(how), seed=seed)
    return STOBNTS(make, noise, target_noise=how != "quiet", seed=seed)


def played(
    opt: AskAndTell, objective: Objective, noise: float, initial: int, evaluations: int, batch: int, seed: int
) -> dict[str, Any]:
    """The regret best - f(x) of each evaluation after the `initial` random ones, and whether the best was evaluated."""
    generator, gaps = torch.Generator().manual_seed(seed_for("start", seed)), list[float]()
    x = objective.candidates[torch.randperm(len(objective.candidates), generator=generator)[:initial]]
    while len(gaps) < evaluations:
        values = objective.at(x)
        opt.observe(x, values + noise * torch.randn(len(x), generator=generator, dtype=torch.float64))
        x = opt.propose(objective.candidates, batch)
        gaps += (objective.best - objective.at(x)).tolist()
    return {"regret": gaps, "total": sum(gaps), "hit": min(gaps) == 0}


def totals(of: Results) -> dict[int, float]:
    """The regret of each seed."""
    return {r.options["seed"]: r.at("total") for r in of}


def draw_regret(axes: Any, runs: Mapping[str, list[list[float]]], title: str) -> None:
    """Draw the regret so far over evaluations: the mean over seeds, and a band from the least to the greatest."""
    for (name, gaps), style in zip(runs.items(), categories(list(runs)).values(), strict=True):
        so_far = [list(itertools.accumulate(gap)) for gap in gaps]
        band(axes, range(1, len(gaps[0]) + 1), so_far, name, without_marker(style))
    axes.set(title=title, xlabel="evaluations", ylabel="regret so far")
