"""Cells on arithmetic: a pair of digit images -> the sum, with sums held out of training."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from hpnets.papers.ensembles import fit, make_ensemble
from hpnets.papers.networks import build
from hpnets.tasks import create_task
from hpnets.tasks.held_out import draw_pairs

FOLDS = {"low": [0, 1, 2, 3], "middle": [8, 9, 10], "high": [15, 16, 17, 18]}
# Adam's, by family: weights of the NTK parametrisation are of order one, those of the others 1 / sqrt(fan_in).
LEARNING_RATES = {"mlp": 1e-3, "ccp": 1e-3, "pnn1": 1e-2}


def fit_sums(
    network: str, fold: str, seeds: list[int], width: int, pairs: int, steps: int, mnist: str | None, device: str
) -> dict[str, Any]:
    """Train on pairs of training images whose sums are not in the fold; metrics on pairs of test images.

    "seen", "held out": by metric, of each seed, on 2,000 test pairs whose sum was, or was not, in training. mnist: the
    folder of MNIST in place of scikit-learn's digits.
    """
    held = torch.tensor(FOLDS[fold])
    data = [pair_data(held, seed, pairs, mnist) for seed in seeds]
    x, s, x_seen, s_seen, x_held, s_held = (torch.stack(part).to(device) for part in zip(*data, strict=True))
    ensemble = make_ensemble(partial(build, network, x.shape[2], 1, width), seeds, device)
    mean, std = s.mean(1, keepdim=True), s.std(1, keepdim=True)
    fit(ensemble, x, (s - mean) / std, steps, LEARNING_RATES[network.split("-")[0]], batch=256)
    return {
        "seen": metrics(ensemble(x_seen) * std + mean, s_seen),
        "held out": metrics(ensemble(x_held) * std + mean, s_held),
    }


def metrics(f: Tensor, s: Tensor) -> dict[str, list[float]]:
    """Fractions of each member: round(f) = s; floor(f) = s or ceil(f) = s; |round(f) - s| <= 1."""
    hits = {
        "round": f.round() == s,
        "floor or ceil": (f.floor() == s) | (f.ceil() == s),
        "within 1": (f.round() - s).abs() <= 1,
    }
    return {name: hit.float().mean((1, 2)).tolist() for name, hit in hits.items()}


def pair_data(held: Tensor, seed: int, pairs: int, mnist: str | None) -> tuple[Tensor, ...]:
    """x (n, features), s (n, 1) of training, of test pairs with seen sums and of test pairs with held-out sums."""
    task = create_task("mnist", root=mnist, seed=seed) if mnist else create_task("digits", seed=seed)
    task.setup()
    g = torch.Generator().manual_seed(seed)
    train = draw_pairs(task.train_set, held, False, pairs, g)
    return *train, *draw_pairs(task.test_set, held, False, 2000, g), *draw_pairs(task.test_set, held, True, 2000, g)
