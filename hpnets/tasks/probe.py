"""The probe set, on which kernels are measured, and how its rows are drawn."""

from typing import NamedTuple

import torch
from torch import Tensor


class Probe(NamedTuple):
    """The fixed inputs on which kernels are measured: training samples, or latents, which have no target and no row."""

    x: Tensor  # (n, *input_shape), normalised
    y: Tensor | None  # (n, output_dim), the float targets of kernel alignment
    indices: Tensor | None  # (n,) int64, rows of the source data set


def random_rows(size: int, n: int, generator: torch.Generator) -> Tensor:
    """n different rows of `size`, ascending, shape (n,)."""
    return torch.randperm(size, generator=generator)[:n].sort().values


def balanced_rows(labels: Tensor, n: int, classes: int, generator: torch.Generator) -> Tensor:
    """n rows with class counts that differ by at most 1, in order of class and then of row, shape (n,).

    The classes take turns in giving a random row, so that a smaller n chooses a subset of the rows of a larger one.
    Raises ValueError if a class has too few rows for that.
    """
    sizes = labels.bincount(minlength=classes)
    limit = int(sizes.clamp(max=int(sizes.min()) + 1).sum())
    if n > limit:
        short = int(sizes.argmin())
        only = f"class {short} has only {int(sizes[short])} samples"
        raise ValueError(f"n is {n}; allowed: at most {limit}, as {only}; --ntk.probe sets n")
    shuffled = torch.randperm(len(labels), generator=generator)
    turn = torch.empty_like(labels)
    for c in range(classes):
        members = shuffled[labels[shuffled] == c]
        turn[members] = torch.arange(len(members))
    chosen = (turn * classes + labels).argsort()[:n].sort().values
    return chosen[labels[chosen].argsort(stable=True)]
