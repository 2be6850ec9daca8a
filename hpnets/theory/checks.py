"""Checks of points and covariances; each refusal says what to do about it."""

import torch
from torch import Tensor

# Sums in float64 are rounded by at most this, relative to the largest entry.
_ROUNDING = 1e-10
# Between these sizes, squares of points, summed over up to 1e8 entries, keep all their digits in float64.
_SIZES = 1e-140, 1e140


def check_points(x1: Tensor, x2: Tensor | None) -> None:
    """Raise ValueError unless points are (N, ...), float32 or float64, of one shape, finite, and of a fit size."""
    for name, x in (("x1", x1), ("x2", x1 if x2 is None else x2)):
        if not isinstance(x, Tensor):
            raise ValueError(f"{name} is a {type(x).__name__}; allowed: a tensor (N, ...): torch.as_tensor({name})")
        if x.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"{name} has dtype {x.dtype}; allowed: float32 or float64: {name}.double()")
        if x.ndim < 2 or x.numel() == 0:
            raise ValueError(f"{name} has shape {tuple(x.shape)}; allowed: (N, ...) with N >= 1")
        if not torch.isfinite(x).all():
            raise ValueError(f"{name} holds NaN or Inf; allowed: finite numbers")
        check_size(name, x.detach().flatten(1).abs().amax(1))
    if x2 is not None and x1.shape[1:] != x2.shape[1:]:
        raise ValueError(f"x2 has shape {tuple(x2.shape)}; allowed: points of shape {tuple(x1.shape[1:])}, as in x1")


def check_size(name: str, sizes: Tensor) -> None:
    """Raise ValueError if squares of the points' largest entries, `sizes` (N,), leave float64's range; 0 is allowed."""
    low, high = _SIZES
    wrong = sizes[(sizes > high) | ((sizes > 0) & (sizes < low))]
    if len(wrong):
        raise ValueError(
            f"{name} holds a point of size {float(wrong[0]):.3g}, whose squares leave float64's range; allowed: a "
            f"largest entry of 0, or from {low:g} to {high:g}: scale {name}"
        )


def check_covariance(S: Tensor) -> None:
    """Raise ValueError for a matrix that is not a covariance."""
    if S.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"S has dtype {S.dtype}; allowed: float32 or float64: S.double()")
    if S.ndim != 2 or S.shape[0] != S.shape[1] or S.numel() == 0:
        raise ValueError(f"S has shape {tuple(S.shape)}; allowed: (N, N), the covariance of N points with themselves")
    if not torch.isfinite(S).all():
        raise ValueError("S holds NaN or Inf; allowed: finite numbers")
    S = S.detach().double()
    check_size("S", S.diagonal().clamp_min(0).sqrt())
    tolerance = _ROUNDING * float(S.abs().max())
    if float((S - S.T).abs().max()) > tolerance:
        raise ValueError("S is not symmetric; allowed: a covariance; take (S + S.T) / 2 if it should be one")
    least = float(torch.linalg.eigvalsh(S)[0])
    if least < -tolerance * len(S):
        raise ValueError(f"S has the eigenvalue {least:.3g}; allowed: >= 0: add a ridge or clip its spectrum")
