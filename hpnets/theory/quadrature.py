r"""Gaussian moments of any smooth activation by Gauss-Hermite quadrature, with an error that is checked."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy.special
import torch
from torch import Tensor

NODES, TERMS = 256, 192
_TINY = 1e-300


@lru_cache(maxsize=1)
def hermite() -> tuple[Tensor, Tensor]:
    """The nodes u (NODES,) for the weight exp(-u^2/2) / sqrt(2 pi), and w(u) h_k(u) (NODES, NODES), h_k orthonormal."""
    u, w = scipy.special.roots_hermitenorm(NODES)
    h = np.zeros((NODES, NODES))
    h[:, 0], h[:, 1] = 1, u
    for k in range(1, NODES - 1):
        h[:, k + 1] = (u * h[:, k] - np.sqrt(k) * h[:, k - 1]) / np.sqrt(k + 1)
    return torch.from_numpy(u), torch.from_numpy((w / w.sum())[:, None] * h)


class Quadrature:
    r"""Any callable on tensors as an activation s, by its Hermite coefficients (Mehler's formula).

        a_k(v) = E[s(sqrt(v) u) h_k(u)],   E[s(z) s(z')] = sum_k a_k(v) a_k(v') r^k,   r = c / sqrt(v v')
        E[s'(z) s'(z')] = d/dc E[s(z) s(z')] = sum_k k a_k(v) a_k(v') r^(k-1) / sqrt(v v')   (Price: s' is not needed)

    z, z' are Gaussian with variances v, v' and covariance c. The coefficients take 256 nodes, and the sums run over
    k < 192; what the terms k = 192..255 would add to E[s'^2] is taken as the error.

    Raises ValueError if that error exceeds `tolerance`, relatively, as for an activation with a kink or a large
    variance.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], tolerance: float = 1e-8) -> None:
        self.function, self.tolerance = function, tolerance

    def __call__(self, z: Tensor) -> Tensor:
        return self.function(z)

    def coefficients(self, v: Tensor) -> Tensor:
        """a_k(v), (*v.shape, TERMS)."""
        u, w = hermite()
        a = self.function(v.clamp_min(_TINY).sqrt()[..., None] * u.to(v.device)) @ w.to(v.device)
        k = torch.arange(NODES, device=v.device)
        energy = k * a.detach().square()
        left = float((energy[..., TERMS:].sum(-1) / energy.sum(-1).clamp_min(_TINY)).max())
        if not left <= self.tolerance:
            raise ValueError(
                f"quadrature of {self.function!r} leaves a relative error of {left:.1e} at a variance of "
                f"{float(v.min()):.3g} to {float(v.max()):.3g}; allowed: {self.tolerance:.0e}: a smooth activation, "
                "variances nearer to 1 (other weights or points), or Quadrature(function, tolerance=...)"
            )
        return a[..., :TERMS]

    def mean(self, v: Tensor) -> Tensor:
        """E[s(z)]."""
        return self.coefficients(v)[..., 0]

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """E[s(z) s(z')] and E[s'(z) s'(z')] for c, and for v, w that broadcast to it."""
        a, b = self.coefficients(v), self.coefficients(w)
        root = v.clamp_min(_TINY).sqrt() * w.clamp_min(_TINY).sqrt()
        r = c / root
        S, D = torch.zeros_like(r), torch.zeros_like(r)
        for k in reversed(range(TERMS)):
            D = D * r + S  # Horner's scheme and its derivative
            S = S * r + a[..., k] * b[..., k]
        return S, D / root
