"""Gaussian processes with any kernel of the library: posterior, samples, marginal likelihood."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from hpnets.kernels._arguments import check_targets
from hpnets.kernels._cholesky import Factor, jittered_cholesky
from hpnets.linalg import DENSE_ROWS, SymmetricOperator, as_operator, product, rows_of, solve, square
from hpnets.ntk import parse_bytes
from hpnets.validate import finite, one_of, positive, require, require_shape

# A Cholesky factor is made from K, in double precision, beside a copy of it.
CHOLESKY_COPIES = 3

KernelFunction = Callable[[Tensor, Tensor], Tensor]
Method = Literal["auto", "cholesky", "iterative"]


class Draws(NamedTuple):
    """Samples (count, M, O), and the jitter that was added to the variances to draw them."""

    values: Tensor
    jitter: float


class Posterior(NamedTuple):
    """What is known at M points: mean (M, O), covariance (M, M) of each output's values without noise, float64.

    scale: the greatest prior variance, whose rounding the covariance has. residual: the largest relative residual of
    the solved systems; converged: whether it is at most the tolerance.
    """

    mean: Tensor
    covariance: Tensor
    scale: float
    residual: float
    converged: bool

    @property
    def deviation(self) -> Tensor:
        """The posterior standard deviations (M,)."""
        return self.covariance.diagonal().clamp_min(0).sqrt()

    def samples(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Independent draws of the values at all M points; raises ValueError for a covariance that is none."""
        L, jitter = jittered_cholesky(self.covariance, self.scale)
        normal = torch.randn(count, *self.mean.shape, generator=generator, dtype=torch.float64).to(L)
        return Draws(self.mean + torch.einsum("mn,cno->cmo", L, normal), jitter)


class GaussianProcess:
    r"""The posterior of f ~ GP(0, K) given y = f(X) + noise, with noise of standard deviation s on each observation.

        mean(x) = K(x, X) (K + s^2)^-1 y;   cov(x, x') = K(x, x') - K(x, X) (K + s^2)^-1 K(X, x')
        log p(y) = -1/2 y^T (K + s^2)^-1 y - 1/2 log det(K + s^2) - N/2 log 2 pi,   summed over outputs

    With an NTK for K it is what an infinitely wide network, drawn and then trained with weight decay towards its start,
    is distributed as (docs/concepts/gaussian-processes.md); `limit_kernel(net, a, b).ntk` or `ntk(net, a, b,
    outputs="trace")` are kernels K(a, b).

    Args:
        kernel: a function k(x1, x2) of points that returns (N1, N2); or K(X, X), a tensor (N, N) or an operator.
        x: the points X (N, *shape) for a function; None for a matrix.
        targets: y (N, O); outputs are independent, with the same kernel.
        noise: s >= 0.
        method: "cholesky"; "iterative" is conjugate gradients, without log_marginal_likelihood; "auto" is "cholesky"
            for up to 8,192 rows, except for operators.
        memory: bytes, or a text such as "4GiB", that the matrices may take.
        tol: the residual up to which conjugate gradients count as converged.

    jitter: what was added to the noise's variance so that the factor exists, 0 where nothing had to be. Raises
    ValueError for a kernel that is not symmetric, finite and positive semi-definite; for other shapes of targets; for a
    singular kernel with noise 0, which has no posterior; and if `memory` would be exceeded.

    Source: Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, algorithm 2.1.
    """

    def __init__(
        self,
        kernel: KernelFunction | Tensor | SymmetricOperator,
        targets: Tensor,
        x: Tensor | None = None,
        *,
        noise: float,
        method: Method = "auto",
        memory: str | float = "4GiB",
        tol: float = 1e-8,
    ) -> None:
        self._function: KernelFunction | None = None if _is_stored(kernel) else kernel  # type: ignore[assignment]
        fits = (self._function is None) == (x is None)
        require(fits, "x", None if x is None else tuple(x.shape), "points for a kernel function, None for a matrix")
        rows = len(x) if x is not None else rows_of(kernel)  # type: ignore[arg-type]
        check_targets(rows, targets, None)
        require_shape(len(targets) == rows, "targets", targets, f"({rows}, O)")
        one_of("method", method, ("auto", "cholesky", "iterative"))
        self.noise, self.tol = finite("noise", noise, minimum=0), positive("tol", tol)
        self.points = x
        stored = self._function is not None or isinstance(kernel, Tensor)
        factored = method == "cholesky" or (method == "auto" and stored and rows <= DENSE_ROWS)
        _check_memory(rows, factored, stored, parse_bytes(memory))
        K: Any = _evaluated(self._function, x) if self._function and x is not None else kernel
        self.targets = targets.to(K.device, torch.float64)
        self._operator, self.jitter = as_operator(K), 0.0
        self._factor: Factor | None = _factored(K, self.noise) if factored else None
        if self._factor:
            self.jitter = self._factor.jitter
        self.coefficients, self.residual = self._solve(self.targets)

    def condition(self, cross: Tensor, own: Tensor) -> Posterior:
        """The posterior at M points from K(x, X) (M, N) and K(x, x) (M, M); ValueError for other shapes, NaN or Inf."""
        n = len(self.targets)
        require_shape(cross.ndim == 2 and cross.shape[1] == n and _finite(cross), "cross", cross, f"(M, {n}), finite")
        m = len(cross)
        require_shape(own.shape == (m, m) and _finite(own), "own", own, f"({m}, {m}), finite")
        cross, own = cross.to(self.targets), own.to(self.targets)
        solved, residual = self._solve(cross.T)
        covariance = own - cross @ solved
        residual = max(residual, self.residual)
        scale = float(own.diagonal().max())
        return Posterior(
            cross @ self.coefficients, (covariance + covariance.T) / 2, scale, residual, residual <= self.tol
        )

    def predict(self, x: Tensor) -> Posterior:
        """The posterior at points x (M, *shape); raises ValueError unless the kernel is a function."""
        if self._function is None or self.points is None:
            raise ValueError("the kernel is a matrix; allowed: a kernel function, or condition(cross, own)")
        return self.condition(self._function(x, self.points), self._function(x, x))

    @property
    def log_marginal_likelihood(self) -> float:
        """log p(y), summed over outputs; raises ValueError without a Cholesky factor."""
        if self._factor is None:
            raise ValueError(
                "log_marginal_likelihood needs log det(K + s^2), which conjugate gradients do not give; allowed: "
                "method='cholesky', with memory for it, or fewer points"
            )
        n, o = self.targets.shape
        fit = float((self.targets * self.coefficients).sum())
        return -0.5 * fit - o * float(self._factor.L.diagonal().log().sum()) - 0.5 * n * o * math.log(2 * math.pi)

    def _solve(self, right: Tensor) -> tuple[Tensor, float]:
        """(K + s^2)^-1 right, and its largest relative residual, 0 for a factor's."""
        if self._factor is not None:
            return torch.cholesky_solve(right, self._factor.L), 0.0
        solution = solve(self._operator, right, ridge=self.noise**2, tol=self.tol)
        return solution.x, float(solution.residual.max())


def _evaluated(kernel: KernelFunction, x: Tensor) -> Tensor:
    """K(X, X), symmetric where it is so up to rounding; `as_operator` refuses what is not."""
    K = kernel(x, x)
    require_shape(K.shape == (len(x), len(x)), "kernel(x, x)", K, f"({len(x)}, {len(x)})")
    return K


def _is_stored(kernel: object) -> bool:
    """Whether the kernel is a matrix or an operator, not a function of points."""
    return isinstance(kernel, Tensor) or hasattr(kernel, "matmat")


def _factored(kernel: Tensor | SymmetricOperator, noise: float) -> Factor:
    """The factor of K + s^2; ValueError for a K that is singular in float64 if s is 0."""
    whole = torch.eye(rows_of(kernel), dtype=torch.float64, device=kernel.device)
    K = square(kernel).double() if isinstance(kernel, Tensor) else product(kernel, whole)
    K = (K + K.T) / 2
    size = float(K.diagonal().abs().max())
    if noise > 0:
        return jittered_cholesky(K + noise**2 * torch.eye(len(K)).to(K), size)
    L, info = torch.linalg.cholesky_ex(K)
    pivots, rounding = L.diagonal().square(), len(K) * torch.finfo(torch.float64).eps * size
    if int(info) or float(pivots.min()) <= rounding:
        raise ValueError(
            f"noise is 0 and the kernel of these {len(K)} points is singular in float64; allowed: noise > 0, such as "
            f"{1e-4 * size**0.5:.1g}, or points that differ, without repetitions"
        )
    return Factor(L, 0.0)


def _check_memory(rows: int, factored: bool, stored: bool, budget: int) -> None:
    """Raise ValueError if the matrices of `rows` points exceed the budget."""
    needed = 8 * rows**2 * (CHOLESKY_COPIES if factored else int(stored))
    if needed > budget:
        raise ValueError(
            f"memory is {budget / 2**30:.3g} GiB, but {rows} points take {needed / 2**30:.3g} GiB; allowed: more "
            "memory, fewer points, or an operator such as NTKOperator, which stores no kernel"
        )


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
