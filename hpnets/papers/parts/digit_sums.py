"""Arithmetic: a pair of digit images -> the sum, with sums held out of training."""

import torch
from torch import Tensor

from hpnets.papers.parts.data import stacked
from hpnets.papers.parts.ensembles import Make, fit_in_units, make_ensemble
from hpnets.study import Figure, Results, spread_table
from hpnets.tasks import create_task
from hpnets.tasks.held_out import draw_pairs

FOLDS = {"low": [0, 1, 2, 3], "middle": [8, 9, 10], "high": [15, 16, 17, 18]}
Pairs = tuple[Tensor, ...]
METRICS = ("round", "floor or ceil", "within 1")
TEXT = """A pair of digit images -> the sum: fractions that are right on pairs of test images, for sums that were in \
training and for sums that were held out (low 0-3, middle 8-10, high 15-18). round: round(f) is the sum; floor or \
ceil: |f - sum| < 1; within 1: round(f) is off by 1 at most. Batches of 256;"""


def pair_data(fold: str, seeds: list[int], pairs: int, mnist: str | None, device: str) -> Pairs:
    """x (seeds, n, features), s (seeds, n, 1) of training, of test pairs with seen sums, and with held-out sums.

    mnist: the folder of MNIST in place of scikit-learn's digits.
    """
    held = torch.tensor(FOLDS[fold])
    return stacked([_pairs(held, seed, pairs, mnist) for seed in seeds], device)


def _pairs(held: Tensor, seed: int, pairs: int, mnist: str | None) -> Pairs:
    task = create_task("mnist", root=mnist, seed=seed) if mnist else create_task("digits", seed=seed)
    task.setup()
    g = torch.Generator().manual_seed(seed)
    train = draw_pairs(task.train_set, held, False, pairs, g)
    return *train, *draw_pairs(task.test_set, held, False, 2000, g), *draw_pairs(task.test_set, held, True, 2000, g)


def fit_pairs(make: Make, data: Pairs, seeds: list[int], steps: int, lr: float) -> dict[str, dict[str, list[float]]]:
    """Train on pairs of training images whose sums are not in the fold; metrics on pairs of test images.

    "seen", "held out": by metric, of each seed, on 2,000 test pairs whose sum was, or was not, in training.
    """
    x, s, x_seen, s_seen, x_held, s_held = data
    f = fit_in_units(make_ensemble(make, seeds, str(x.device)), x, s, steps=steps, lr=lr, batch=256)
    return {"seen": metrics(f(x_seen), s_seen), "held out": metrics(f(x_held), s_held)}


def metrics(f: Tensor, s: Tensor) -> dict[str, list[float]]:
    """Fractions of each member: round(f) = s; floor(f) = s or ceil(f) = s; |round(f) - s| <= 1."""
    hits = (f.round() == s, (f.floor() == s) | (f.ceil() == s), (f.round() - s).abs() <= 1)
    return {name: hit.float().mean((1, 2)).tolist() for name, hit in zip(METRICS, hits, strict=True)}


def sum_figure(results: Results, rates: str) -> Figure:
    """Of what `fit_pairs` measured: a row for each fold and network. rates: the text on learning rates."""
    columns = {f"{part}: {metric}": (part, metric) for part in ("seen", "held out") for metric in METRICS}
    return Figure("Arithmetic", f"{TEXT} {rates}", *spread_table(results, ("fold", "network"), columns, ".2g"))
