"""Euclidean norms of vectors of any magnitude that float64 holds."""

import torch
from torch import Tensor
from torch.linalg import vector_norm

# Norms between these two are computed from squares without loss.
_LOW, _HIGH = 1e-140, 1e140


def norms(v: Tensor) -> Tensor:
    """|v_j| (k,) of each column of v (rows, k), also where squares leave float64's range.

    `vector_norm` alone gives 0 below 1e-162, which a recurrence takes for convergence, and inf above 1e154.
    """
    plain = vector_norm(v, dim=0)
    if bool(((plain > _LOW) & (plain < _HIGH)).all()):
        return plain
    largest = v.abs().amax(0)
    return vector_norm(v / torch.where(largest > 0, largest, 1), dim=0) * largest
