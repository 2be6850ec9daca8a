"""Sharpness: the largest eigenvalues of a curvature operator, with residuals that say how far to trust them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from hpnets.curvature._operators import CurvatureOperator
from hpnets.linalg import SymmetricOperator, product, spectrum


@dataclass(frozen=True)
class Sharpness:
    """The k algebraically largest eigenvalues of A (P, P), descending, float64.

    values: (k,). residuals: (k,), |A v - l v| / max |l|; a true eigenvalue lies within residual * max |l| of each.
    converged: whether every residual is below the tolerance. vectors: (P, k), orthonormal. products: how many A v were
    made. kinks: operations of the loss without a second derivative at some points, as the operator names them.
    """

    values: Tensor
    residuals: Tensor
    converged: bool
    vectors: Tensor = field(repr=False)
    products: int
    kinks: tuple[str, ...]


def sharpness(
    operator: CurvatureOperator, k: int = 1, *, tol: float | None = None, max_restarts: int = 50, seed: int = 0
) -> Sharpness:
    """The k largest eigenvalues of a Hessian, Gauss-Newton or residual operator, by Lanczos.

    Power iteration, by contrast, finds the largest |l|, which at the start of training may be a negative one. tol: the
    residual below which an eigenvalue counts as converged; None means 1e-10, or 1e-6 in float32. The error of an
    eigenvalue that is apart from the others is about the residual squared, so 1e-3 is enough to follow sharpness.

    Raises ValueError for k beyond the number of parameters, and for products that hold NaN or Inf.
    """
    rows = operator.shape[0]
    if isinstance(k, bool) or not 1 <= k <= rows:
        raise ValueError(f"k is {k}; allowed: 1 to {rows}, the parameters")
    result = spectrum(operator, k, "lanczos", tol=tol, max_restarts=max_restarts, seed=seed, block=1)
    values = result.eigenvalues
    return Sharpness(values, result.residuals, result.converged, result.vectors, result.products, operator.kinks)


def share_of(part: SymmetricOperator, whole: Sharpness) -> Tensor:
    r"""v_i^T B v_i / l_i (k,) for the eigenpairs of A: the share of each eigenvalue that the part B of A = B + C has.

    For B = `gauss_newton` and A = `hessian` it is the Gauss-Newton share, and 1 minus it the residual's.
    """
    moved = product(part, whole.vectors)
    return torch.einsum("pk,pk->k", whole.vectors, moved) / whole.values
