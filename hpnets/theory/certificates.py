r"""Certificates: the function g whose kernel average is a given zeta, and its norm, which says how hard zeta is."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.validate import require_shape

# Beyond this, relative to the largest entry, a kernel counts as not symmetric.
ASYMMETRY = 1e-10


@dataclass(frozen=True)
class Certificate:
    """g with sum_j K(x_i, x_j) w_j g_j = zeta_i, in float64.

    g: (N,). norm: |g| = sqrt(sum_i w_i g_i^2). residual: |K g - zeta| / |zeta| in the same norm. condition: the largest
    over the least eigenvalue of W^1/2 K W^1/2; g is right to about 1e-16 times it.
    """

    g: Tensor
    norm: float
    residual: float
    condition: float


def certificate(kernel: Tensor, zeta: Tensor, weights: Tensor | None = None) -> Certificate:
    r"""Solve K g = zeta over points with a measure: zeta_i = sum_j K(x_i, x_j) w_j g_j.

        W^1/2 K W^1/2 h = W^1/2 zeta,   g = W^-1/2 h,   |g| = |h|

    With kernel gradient flow on that measure, zeta the error at first, a small |g| bounds how slowly it falls: with
    r_t = exp(-t K) zeta = K exp(-t K) g, |r_t| <= max_l l exp(-t l) |g| <= |g| / (e t).

    Args:
        kernel: K (N, N), symmetric and positive definite, such as `angle_kernel` or `limit_kernel`.ntk on N points.
        zeta: the function at the points, (N,).
        weights: w > 0 (N,), the points' shares of the measure, such as their share of a curve's length; None means 1/N.

    Raises ValueError, with what to do, for shapes that do not fit, NaN, weights that are not above 0, a kernel that is
    not symmetric, and one that is singular to rounding.
    Source: Wang et al. 2021 (arXiv 2107.14324), where g is the certificate.
    """
    _check(kernel, zeta, weights)
    K, b = kernel.double(), zeta.to(kernel.device, torch.float64)
    w = torch.full_like(b, 1 / len(b)) if weights is None else weights.to(b)
    root = w.sqrt()
    l, V = torch.linalg.eigh(root[:, None] * K * root)
    _check_definite(l)
    h = V @ (V.T @ (root * b) / l)
    size = float((root * b).norm())
    off = float((root * (K @ (root * h) - b)).norm())
    return Certificate(h / root, float(h.norm()), off / size if size else 0.0, float(l[-1] / l[0]))


def _check(K: Tensor, zeta: Tensor, weights: Tensor | None) -> None:
    square = K.ndim == 2 and K.shape[0] == K.shape[1] and K.numel() > 0
    require_shape(square and _is_finite(K), "kernel", K, "(N, N), without NaN or Inf")
    wanted = f"({len(K)},), one a point, without NaN or Inf"
    require_shape(zeta.shape == K.shape[:1] and _is_finite(zeta), "zeta", zeta, wanted)
    if weights is not None:
        require_shape(weights.shape == K.shape[:1] and _is_finite(weights), "weights", weights, wanted)
        if float(weights.min()) <= 0:
            raise ValueError(f"weights holds {float(weights.min()):.3g}; allowed: > 0: drop points without weight")
    if float((K - K.T).abs().max()) > ASYMMETRY * float(K.abs().max()):
        raise ValueError("kernel is not symmetric; allowed: that of points with themselves; (K + K.T) / 2 if it should")


def _check_definite(l: Tensor) -> None:
    """Raise ValueError if the least of the ascending eigenvalues is not above their rounding."""
    least, most = float(l[0]), float(l[-1])
    bound = len(l) * torch.finfo(l.dtype).eps * most
    if not least > bound:
        raise ValueError(
            f"kernel is singular on these {len(l)} points: its least eigenvalue is {least:.3g}, where rounding is "
            f"{bound:.3g}; allowed: > {bound:.3g}: drop points that are there twice (or antipodal, where the kernel is "
            "that of two layers), use a deeper network or one of a higher degree, or add a ridge: kernel + ridge * eye"
        )


def _is_finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
