"""What is read off kernels: each one function with its formula; kernels in any one output mode, float64 inside."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.ntk.spectrum import trace_kernel


def relative_drift(k_t: Tensor, k_0: Tensor) -> float:
    r"""|K_t - K_0|_F / |K_0|_F: how far the kernel moved, its scale included."""
    return float((k_t.double() - k_0.double()).norm() / k_0.double().norm())


def distance(k_1: Tensor, k_2: Tensor) -> float:
    r"""1 - <K_1, K_2>_F / (|K_1|_F |K_2|_F), in [0, 2]: blind to scale (Fort et al. 2020, arXiv 2010.15110).

    Computed as |K_1/|K_1| - K_2/|K_2||^2 / 2, which keeps its digits where the kernels nearly agree.
    """
    a, b = k_1.double(), k_2.double()
    return float((a / a.norm() - b / b.norm()).square().sum() / 2)


def velocity(k_t: Tensor, k_s: Tensor, steps: int) -> float:
    r"""distance(K_t, K_s) / (t - s), per step (Fort et al. 2020); raises ValueError if steps < 1."""
    if steps < 1:
        raise ValueError(f"steps is {steps}; allowed: >= 1")
    return distance(k_t, k_s) / steps


def effective_rank(eigenvalues: Tensor) -> float:
    r"""exp(-sum_i p_i log p_i), p_i = l_i / sum l: 1 for rank one, N for the identity (Roy and Vetterli 2007)."""
    l = eigenvalues.double().clamp_min(0)
    p = l / l.sum()
    return float(torch.special.entr(p).sum().exp())


def condition(eigenvalues: Tensor, floor: float) -> float:
    r"""lambda_max / max(lambda_min, floor): a lower bound where lambda_min lies below the rounding floor."""
    return float(eigenvalues.max() / max(float(eigenvalues.min()), floor))


def centred_alignment(kernel: Tensor, targets: Tensor) -> float:
    r"""<HKH, HYY^TH>_F / (|HKH| |HYY^TH|), H = I - 11^T/N, in [-1, 1] (Cortes et al. 2012).

    kernel: (N, N), or (N, N, O, O) of which the trace over outputs is taken; targets: Y (N, O).
    """
    y = targets.double()
    k_c, y_c = _centre(trace_kernel(kernel).double()), _centre(y @ y.T)
    scale = k_c.norm() * y_c.norm()
    return float((k_c * y_c).sum() / scale) if scale > 0 else 0.0


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
    """
    n = len(eigenvalues)
    start, stop = window or (max(2, math.ceil(n / 20)), max(3, n // 2))
    stop = min(stop, int((eigenvalues > floor).sum()))
    if stop - start < 2:
        return Decay(math.nan, start, stop, math.nan)
    x = torch.arange(start, stop + 1, dtype=torch.float64).log()
    y = eigenvalues[start - 1 : stop].double().cpu().log()
    x_c, y_c = x - x.mean(), y - y.mean()
    slope = (x_c @ y_c) / (x_c @ x_c)
    total = y_c @ y_c
    r_squared = float((slope * x_c) @ (slope * x_c) / total) if total > 0 else math.nan
    return Decay(-float(slope), start, stop, r_squared)


def _centre(k: Tensor) -> Tensor:
    return k - k.mean(0, keepdim=True) - k.mean(1, keepdim=True) + k.mean()
