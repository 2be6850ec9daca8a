"""How fast the eigenvalues of a kernel fall: a power law of their ranks."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.ntk.metrics.measurement import Measurement, register_metric


def _eigenvalues(m: Measurement) -> tuple[Tensor, float]:
    return m.spectrum.eigenvalues, m.spectrum.floor


@dataclass(frozen=True)
class Decay:
    """Fit lambda_k ~ k^-exponent over the 1-based ranks start..stop, with its R^2; NaN where nothing can be fitted."""

    exponent: float
    start: int
    stop: int
    r_squared: float


# The lowest decorator registers first.
@register_metric("decay_r_squared", _eigenvalues, lambda decay: decay.r_squared)
@register_metric("decay_window_stop", _eigenvalues, lambda decay: decay.stop)
@register_metric("decay_window_start", _eigenvalues, lambda decay: decay.start)
@register_metric("decay_exponent", _eigenvalues, lambda decay: decay.exponent)
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
