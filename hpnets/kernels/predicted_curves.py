"""Learning curves predicted by eigenvalues: how fast each harmonic, or each principal component, is learnt."""

import math

import torch
from torch import Tensor

from hpnets.validate import require


def learning_curves(eigenvalues: Tensor, lr: float, steps: Tensor) -> Tensor:
    r"""The share of each component's residual that remains after s steps, (1 - 2 lr lambda_k)^s, shape (S, K) float64.

    It is for full-batch gradient descent without momentum at rate lr on the mean squared error
    (1/n) sum_i (f(x_i) - y_i)^2 of one output, with a fixed kernel: a step moves the residual r by -(2 lr / n) K r.
    Two conventions of lambda_k agree:

    - empirical: lambda_k = l_k / n with l_k an eigenvalue of the matrix K(X, X) (n, n). The rate is 2 lr l_k / n a
      step, and the curve of the eigenvector's component is exact for a fixed kernel.
    - population: lambda_k of `sphere_spectrum`, the eigenvalue of the integral operator under the uniform probability
      measure, to which l_k / n converges. The rate is 2 lr lambda_k, without n. It describes the degrees with
      N(d, k) << n. Degrees with N(d, k) > n act on n points like a ridge: their sum_k N(d, k) lambda_k / n is added to
      every eigenvalue, so degrees with smaller eigenvalues than this are fitted on the points before they are learnt.

    eigenvalues: (K,). steps: (S,). Raises ValueError for lr <= 0, and if 2 lr lambda_k >= 2, where descent diverges.
    Source: Jacot et al. 2018 (arXiv 1806.07572), section 5, in discrete time.
    """
    l = eigenvalues.double()
    _check(l, lr)
    require(bool((steps >= 0).all()), "steps", steps.tolist(), "numbers >= 0")
    return (1 - 2 * lr * l) ** steps.to(l)[:, None]


def steps_to_learn(eigenvalues: Tensor, lr: float, left: float = 0.5) -> Tensor:
    """The steps (K,) until a component's |residual| falls to `left`: log(left) / log|1 - 2 lr lambda_k|, inf for 0.

    The conventions and the errors are those of `learning_curves`; ValueError is also raised for `left` outside (0, 1).
    """
    l = eigenvalues.double()
    _check(l, lr)
    require(0 < left < 1, "left", left, "> 0 and < 1")
    rate = 2 * lr * l.clamp_min(0)
    # log1p keeps the digits of small rates; the higher degrees have no others.
    return math.log(left) / torch.where(rate < 1, torch.log1p(-rate.clamp(max=1)), (1 - rate).abs().log())


def _check(l: Tensor, lr: float) -> None:
    if not torch.isfinite(l).all():
        raise ValueError("eigenvalues holds NaN or Inf; allowed: finite numbers")
    bound = 1 / max(float(l.max()), 1e-300)
    converges = 0 < lr < math.inf and not bool((lr * l >= 1).any())
    require(converges, "lr", lr, f"> 0 and < {bound:.4g}, 1 / lambda_max, or descent diverges")
