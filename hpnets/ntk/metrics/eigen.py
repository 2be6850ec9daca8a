"""Numbers that describe the eigenvalues of a kernel, which are descending, and all of them."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg import Eigenvalues
from hpnets.ntk.metrics.measurement import Measurement, check_whole, register_metric


@register_metric("norm")
def _norm(m: Measurement) -> float:
    """|K_t|_F."""
    return float(torch.linalg.vector_norm(m.k_t.double()))


@register_metric("trace")
def _trace(m: Measurement) -> float:
    """The sum of the eigenvalues."""
    return float(m.spectrum.eigenvalues.sum())


@register_metric("lambda_max")
def _lambda_max(m: Measurement) -> float:
    return float(m.spectrum.eigenvalues[0])


@dataclass(frozen=True)
class Extremes:
    """lambda_max and lambda_min; singular: rows > rank_bound, so that lambda_min is 0; noise: it is below its error.

    error: how far lambda_min may be from the true one.
    """

    largest: float
    smallest: float
    singular: bool
    noise: bool
    error: float


@register_metric("lambda_min", lambda m: (m.spectrum, m.rank_bound), lambda extremes: extremes.smallest)
def lambda_extremes(spectrum: Eigenvalues, rank_bound: int) -> Extremes:
    """The largest and the smallest eigenvalue, with a warning where the kernel is singular by counting.

    K = J J^T has rank <= P, the number of parameters: rank_bound is P for "full", "sum" and one logit, O P for
    "trace". With more rows than that lambda_min is 0, and its computed value is rounding alone.

    Raises ValueError if `spectrum` holds only the largest few.
    """
    check_whole(spectrum)
    if spectrum.rows > rank_bound:
        warnings.warn(
            f"the kernel has {spectrum.rows} rows but rank at most {rank_bound}: lambda_min is 0 by counting; "
            f"use at most {rank_bound} rows, or more parameters",
            stacklevel=2,
        )
    return extremes(spectrum, rank_bound)


def extremes(spectrum: Eigenvalues, rank_bound: int) -> Extremes:
    """`lambda_extremes` without the warning, of a spectrum that is whole; the error is the floor."""
    l = spectrum.eigenvalues
    singular, noise = spectrum.rows > rank_bound, float(l[-1]) < spectrum.floor
    return Extremes(float(l[0]), float(l[-1]), singular, noise, spectrum.floor)


@register_metric("condition", lambda m: (m.spectrum.eigenvalues, m.spectrum.floor))
def condition(eigenvalues: Tensor, floor: float) -> float:
    r"""lambda_max / max(lambda_min, floor): a lower bound where lambda_min lies below the rounding floor."""
    return float(eigenvalues.max() / max(float(eigenvalues.min()), floor))


@register_metric("effective_rank", lambda m: (m.spectrum.eigenvalues,))
def effective_rank(eigenvalues: Tensor) -> float:
    r"""exp(-sum_i p_i log p_i), p_i = l_i / sum l: 1 for rank one, N for the identity (Roy and Vetterli 2007)."""
    l = eigenvalues.double().clamp_min(0)
    p = l / l.sum()
    return float(torch.special.entr(p).sum().exp())


@register_metric("stable_rank", lambda m: (m.spectrum.eigenvalues,))
def stable_rank(eigenvalues: Tensor) -> float:
    r"""|K|_F^2 / |K|_2^2 = sum_i l_i^2 / max l^2: 1 for rank one, N for the identity (Rudelson and Vershynin 2007)."""
    squares = eigenvalues.double().square()
    return float(squares.sum() / squares.max())


@register_metric("top_20_mass", lambda m: (m.spectrum.eigenvalues, min(20, m.spectrum.rows)))
def top_k_mass(eigenvalues: Tensor, k: int) -> float:
    r"""sum_{i<=k} l_i^2 / sum_i l_i^2: the share of |K|_F^2 in the k largest; ValueError if k is out of range."""
    if not 1 <= k <= len(eigenvalues):
        raise ValueError(f"k is {k}; allowed: 1 to {len(eigenvalues)}, the number of eigenvalues")
    squares = eigenvalues.double().square()
    return float(squares[:k].sum() / squares.sum())
