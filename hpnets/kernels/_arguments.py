"""Checks of a predictor's targets, outputs at the start and cross kernels."""

import torch
from torch import Tensor

from hpnets.validate import require_shape


def check_targets(rows: int, targets: Tensor, start: Tensor | None) -> None:
    """Raise ValueError unless targets (N, O) and start (N, O) are finite and fit a kernel of N or N O rows."""
    for name, value in (("targets", targets), ("start", start)):
        if value is not None and not isinstance(value, Tensor):
            raise ValueError(f"{name} is a {type(value).__name__}; allowed: a tensor (N, O): torch.as_tensor({name})")
    fits = targets.ndim == 2 and rows in (len(targets), targets.numel()) and _is_finite(targets)
    wanted = f"(N, O) with N or N O = {rows}, the kernel's rows, without NaN or Inf"
    require_shape(fits, "targets", targets, wanted)
    fits = start is None or (start.shape == targets.shape and _is_finite(start))
    require_shape(fits, "start", start, f"{tuple(targets.shape)}, without NaN or Inf")


def check_cross(cross: Tensor, start: Tensor | None, targets: Tensor, full: bool) -> None:
    """Raise ValueError unless a cross kernel (M, N), or (M, N, O, O) if `full`, and start (M, O) fit and are finite."""
    n, o = targets.shape
    fits = cross.shape[1:] == ((n, o, o) if cross.ndim == 4 else (n,)) and (o == 1 or full == (cross.ndim == 4))
    wanted = f"(M, {n}, {o}, {o})" if full else f"(M, {n})"
    require_shape(fits, "cross", cross, f"{wanted}, test points by training points")
    if not _is_finite(cross):
        raise ValueError("cross holds NaN or Inf; allowed: finite numbers")
    fits = start is None or (start.shape == (len(cross), o) and _is_finite(start))
    require_shape(fits, "start", start, f"({len(cross)}, {o}), without NaN or Inf")


def _is_finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
