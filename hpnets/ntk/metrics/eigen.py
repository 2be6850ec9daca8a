"""What is read off the eigenvalues of a kernel: descending, all of them unless said otherwise."""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg import Spectrum


def top_k_mass(eigenvalues: Tensor, k: int) -> float:
    r"""sum_{i<=k} l_i^2 / sum_i l_i^2: the share of |K|_F^2 in the k largest; ValueError if k is out of range."""
    if not 1 <= k <= len(eigenvalues):
        raise ValueError(f"k is {k}; allowed: 1 to {len(eigenvalues)}, the number of eigenvalues")
    squares = eigenvalues.double().square()
    return float(squares[:k].sum() / squares.sum())


def effective_rank(eigenvalues: Tensor) -> float:
    r"""exp(-sum_i p_i log p_i), p_i = l_i / sum l: 1 for rank one, N for the identity (Roy and Vetterli 2007)."""
    l = eigenvalues.double().clamp_min(0)
    p = l / l.sum()
    return float(torch.special.entr(p).sum().exp())


def stable_rank(eigenvalues: Tensor) -> float:
    r"""|K|_F^2 / |K|_2^2 = sum_i l_i^2 / max l^2: 1 for rank one, N for the identity (Rudelson and Vershynin 2007)."""
    squares = eigenvalues.double().square()
    return float(squares.sum() / squares.max())


def condition(eigenvalues: Tensor, floor: float) -> float:
    r"""lambda_max / max(lambda_min, floor): a lower bound where lambda_min lies below the rounding floor."""
    return float(eigenvalues.max() / max(float(eigenvalues.min()), floor))


@dataclass(frozen=True)
class Extremes:
    """lambda_max and lambda_min; singular: rows > rank bound, so lambda_min is 0; noise: it is under the floor."""

    largest: float
    smallest: float
    singular: bool
    noise: bool


def lambda_extremes(spectrum: Spectrum, rank_bound: int) -> Extremes:
    """The largest and the smallest eigenvalue, with a warning where the kernel is singular by counting.

    K = J J^T has rank <= P, the number of parameters: rank_bound is P for "full", "sum" and one logit, O P for
    "trace". With more rows than that lambda_min is 0, and what was computed is rounding.

    Raises ValueError if `spectrum` holds only the largest few.
    """
    check_whole(spectrum)
    singular = spectrum.rows > rank_bound
    if singular:
        warnings.warn(
            f"the kernel has {spectrum.rows} rows but rank at most {rank_bound}: lambda_min is 0 by counting; "
            f"use at most {rank_bound} rows, or more parameters",
            stacklevel=2,
        )
    l = spectrum.eigenvalues
    return Extremes(float(l[0]), float(l[-1]), singular, float(l[-1]) < spectrum.floor)


def check_whole(spectrum: Spectrum) -> None:
    """ValueError unless every eigenvalue of the kernel is there."""
    if len(spectrum.eigenvalues) < spectrum.rows:
        raise ValueError(f"the spectrum holds {len(spectrum.eigenvalues)} of {spectrum.rows} eigenvalues; allowed: all")


@dataclass(frozen=True)
class Decay:
    """Fit lambda_k ~ k^-exponent over the 1-based ranks start..stop, with its R^2; NaN where nothing can be fitted."""

    exponent: float
    start: int
    stop: int
    r_squared: float


def decay_exponent(eigenvalues: Tensor, floor: float, window: tuple[int, int] | None = None) -> Decay:
    r"""Least squares of log lambda_k on log k over a window of ranks, cut where lambda_k falls under `floor`.

    The default window leaves out the first twentieth (the few outliers) and the last half (finite-sample effects).
    Raises ValueError for a window outside the ranks.
    """
    n = len(eigenvalues)
    if window is not None and not 1 <= window[0] < window[1] <= n:
        raise ValueError(f"window is {window}; allowed: (start, stop) with 1 <= start < stop <= {n}")
    start, stop = window or (max(2, math.ceil(n / 20)), max(3, n // 2))
    stop = min(stop, int((eigenvalues > floor).sum()))
    if stop - start < 2:
        return Decay(math.nan, start, stop, math.nan)
    return power_law(torch.arange(start, stop + 1), eigenvalues[start - 1 : stop])


def power_law(k: Tensor, values: Tensor) -> Decay:
    r"""Least squares of log values on log k, both (n,): values ~ k^-exponent; NaN for fewer than three.

    k: ascending integers >= 1, such as ranks or degrees; values > 0.
    """
    if len(k) < 3:
        return Decay(math.nan, int(k.min()) if len(k) else 0, int(k.max()) if len(k) else 0, math.nan)
    x, y = k.double().cpu().log(), values.double().cpu().log()
    x_c, y_c = x - x.mean(), y - y.mean()
    slope = (x_c @ y_c) / (x_c @ x_c)
    total = y_c @ y_c
    r_squared = float((slope * x_c) @ (slope * x_c) / total) if total > 0 else math.nan
    return Decay(-float(slope), int(k[0]), int(k[-1]), r_squared)
