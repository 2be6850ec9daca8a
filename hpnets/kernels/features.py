"""The eigenfeatures of a kernel machine: what each eigenvector of the kernel contributes to its function."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hpnets.kernels._arguments import check_targets
from hpnets.linalg import spectrum
from hpnets.validate import require, require_shape


@dataclass(frozen=True)
class Eigenfeatures:
    r"""The parts of f(x) = K(x, X) K^-1 y, of eigenpairs (l_i, v_i) of K(X, X), the largest first:

        f_i(x) = K(x, X) c_i,   c_i = v_i l_i^-1 v_i^T y,   f = sum_i f_i

    eigenvalues: (N,); vectors: (N, N); weights: v_i^T y (N, O); rank: how many eigenvalues are above rounding: features
    beyond it are 0, as in the least-norm solution. Everything is float64.
    Source: Tsilivis and Kempe 2022 (arXiv 2210.05577), section 4.
    """

    eigenvalues: Tensor
    vectors: Tensor
    weights: Tensor
    rank: int

    def coefficients(self, ranks: Sequence[int] | range | None = None) -> Tensor:
        """The sum of c_i over `ranks`, counted from 0 (None: all), (N, O); ValueError for a rank that is none."""
        chosen = range(self.rank) if ranks is None else ranks
        n = len(self.eigenvalues)
        require(all(0 <= i < n for i in chosen), "ranks", [*chosen], f"0 to {n - 1}, of the eigenvalues")
        kept = torch.tensor([i for i in chosen if i < self.rank], dtype=torch.int64, device=self.vectors.device)
        return self.vectors[:, kept] @ (self.weights[kept] / self.eigenvalues[kept, None])


def eigenfeatures(kernel: Tensor, targets: Tensor) -> Eigenfeatures:
    """The eigenfeatures of K(X, X) (N, N) and targets y (N, O).

    Raises ValueError for a kernel that is not symmetric and finite, and for targets that do not fit.
    """
    require_shape(kernel.ndim == 2, "kernel", kernel, "(N, N), the same for every output")
    check_targets(len(kernel), targets, None)
    require_shape(len(targets) == len(kernel), "targets", targets, f"({len(kernel)}, O)")
    of = spectrum(kernel, method="dense")
    rank = int((of.eigenvalues > of.floor).sum())
    return Eigenfeatures(of.eigenvalues, of.vectors, of.vectors.T @ targets.to(of.vectors), rank)


class Usefulness(NamedTuple):
    """What a function says of targets: the accuracy of its class, and its margin, mean <y, f> / |f|, |f| r.m.s.

    A function that always says one class has the accuracy of that class, also under attack, but no margin at balanced
    classes.
    """

    accuracy: float
    margin: float


def usefulness(outputs: Tensor, targets: Tensor) -> Usefulness:
    """How useful outputs f (M, O) are for targets y (M, O), +-1 for O = 1, else one-hot and centred or not.

    At attacked points it says how robust f is. Raises ValueError for targets of another shape.
    """
    require_shape(outputs.shape == targets.shape, "targets", targets, f"{tuple(outputs.shape)}, those of the outputs")
    f, y = outputs.double(), targets.to(outputs.device, torch.float64)
    right = f * y > 0 if f.shape[1] == 1 else (f.argmax(1) == y.argmax(1))[:, None]
    size = f.square().sum(1).mean().sqrt()
    margin = (f * y).sum(1).mean() / size if size > 0 else torch.zeros(())
    return Usefulness(float(right.double().mean()), float(margin))
