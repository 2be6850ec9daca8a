"""The kernel predictor: what an infinitely wide or linearised net predicts at any time of training."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hpnets.kernels._arguments import check_cross, check_targets
from hpnets.linalg import (
    DENSE_ROWS,
    Spectrum,
    SymmetricOperator,
    apply_function,
    as_operator,
    norms,
    product,
    rows_of,
    solve,
    spectrum,
)
from hpnets.ntk import parse_bytes
from hpnets.validate import at_least, finite, one_of, positive, require

# A decomposition holds this many arrays of rows x rows doubles at once: K, its vectors, LAPACK's copies.
DENSE_COPIES = 5
# The most Krylov steps: enough for t l_max / N up to some 10^4, and 2.4 GB for 10^5 rows and 10 columns.
KRYLOV_STEPS = 300
# A negative eigenvalue of more than this many times the rounding of the largest one is not due to rounding.
NEGATIVE = 100.0

Method = Literal["auto", "dense", "iterative"]


@dataclass(frozen=True)
class Coefficients:
    """The coefficients c of a predictor f0 + K c at one time: values (N, O), float64.

    residual: the largest relative residual over columns. For t = inf it is that of (K + ridge) c = y - f0, and is large
    if a singular kernel cannot reach the targets; for finite t it is that of N c' + (K + ridge) c = y - f0, or of the
    eigenpairs if K was decomposed. converged: whether the residual is at most the tolerance.
    """

    values: Tensor
    residual: float
    converged: bool


class KernelPredictor:
    r"""Training by gradient flow or gradient descent with a fixed kernel: f_t = f0 + K c_t, everywhere.

    Gradient flow on the loss L = 1/(2N) sum_i |f(x_i) - y_i|^2 over the N training points gives

        df_t/dt = -(1/N) K (f_t - y);   f_t(X) = y + e^(-t K/N) (f0 - y)
        c_t = K^-1 (I - e^(-t K/N)) (y - f0);   f_t(x) = f0(x) + K(x, X) c_t

    After s steps of descent with learning rate lr, (I - lr K/N)^s takes the place of e^(-t K/N). (1 - e^(-t l/N)) / l
    is t/N at l = 0, so K is inverted only at t = inf, where c = (K + ridge)^-1 (y - f0) is kernel regression. With
    ridge, K + ridge takes the place of K in c_t (not in f0 + K c_t), which is weight decay towards the start.

    Other losses: `F.mse_loss` over N samples and O outputs is 2/O times L. So s steps of SGD without momentum at rate
    lr on it are `descent(s, 2 * lr / O)`, or nearly `flow(2 * lr * s / O)`. For an eigenvalue l of the matrix K, the
    residual falls at the rate 2 lr l / (N O) a step.

    Args:
        kernel: K(X, X), of a network (`hpnets.ntk.ntk`, with outputs="full", or "trace" for one output) or a limit:
            (N, N), the same for every output; (N, N, O, O); or an operator such as `NTKOperator` with N or N O rows
            (sample-major), of which products alone are used.
        targets: y (N, O).
        start: f0(X) (N, O), the outputs of the network before training; None means zero.
        ridge: a number >= 0.
        method: "dense" decomposes K, after which every time is cheap; "iterative" uses conjugate gradients for t = inf
            and a Krylov space for each finite time; "auto" is "dense" for up to 8,192 rows, except for operators.
        memory: bytes, or a text such as "4GiB", that the work may take beside the kernel.
        tol: the `Coefficients.residual` up to which coefficients count as converged.

    Raises ValueError for a kernel that is not symmetric, not finite, not positive semi-definite ("iterative" notices
    this at finite times only), or of other rows than the targets; for targets or start of other shapes; for a ridge
    < 0; and if memory would be exceeded.

    Source: Jacot et al. 2018 (arXiv 1806.07572), section 5; Lee et al. 2019 (arXiv 1902.06720), eqs. 8-11.
    """

    def __init__(
        self,
        kernel: Tensor | SymmetricOperator,
        targets: Tensor,
        start: Tensor | None = None,
        *,
        ridge: float = 0.0,
        method: Method = "auto",
        memory: str | float = "4GiB",
        tol: float = 1e-6,
    ) -> None:
        rows = rows_of(kernel)
        check_targets(rows, targets, start)
        one_of("method", method, ("auto", "dense", "iterative"))
        ridge, tol = finite("ridge", ridge, minimum=0), positive("tol", tol)
        self.kernel, self.ridge, self.tol, self.samples = kernel, ridge, tol, len(targets)
        self.targets = targets.to(kernel.device, torch.float64)
        self.start = torch.zeros_like(self.targets) if start is None else start.to(self.targets)
        self._right = (self.targets - self.start).reshape(rows, -1)
        self._steps, self._spectrum = 0, None
        budget = parse_bytes(memory)
        if method == "dense" or (method == "auto" and isinstance(kernel, Tensor) and rows <= DENSE_ROWS):
            self._spectrum = _decompose(kernel, rows, budget)
        else:
            self._operator = as_operator(kernel)
            self._steps = _krylov_steps(self._right, budget)

    def flow(self, time: float) -> Coefficients:
        """c_t after gradient flow on L for `time`; `math.inf` is kernel regression. Raises ValueError for time < 0."""
        require(time >= 0, "time", time, ">= 0 or inf")
        if time == math.inf:
            return self._regression()
        scaled = time / self.samples
        # expm1 keeps its digits where t l / N is small; at l = 0 the limit t / N is used.
        return self._apply(lambda l: torch.where(l * scaled > 1e-300, -torch.expm1(-scaled * l) / l, scaled))

    def descent(self, steps: int, lr: float) -> Coefficients:
        """c after `steps` of gradient descent on L at rate lr; ValueError for steps < 0, lr <= 0, lr >= 2 N / l_max."""
        steps, lr = at_least("steps", steps, 0), positive("lr", lr)
        eta = lr / self.samples

        def phi(l: Tensor) -> Tensor:
            bound = 2 * self.samples / max(float(l.max()), 1e-300)
            require(not bool((eta * l >= 2).any()), "lr", lr, f"< {bound:.4g}, or descent diverges")
            # phi = (1 - (1 - h)^s) / l with h = eta l; small h go through log1p, which keeps their digits.
            h = eta * l
            small = torch.expm1(steps * torch.log1p(-h.clamp(max=0.5)))
            power = torch.where(h < 0.5, small, (1 - h) ** steps - 1)
            return torch.where(h > 1e-300, -power / l, steps * eta)

        return self._apply(phi)

    def train(self, c: Coefficients) -> Tensor:
        """f_t(X) = f0 + K c_t on the training points, (N, O) float64."""
        values = c.values.reshape(len(self._right), -1)
        return self.start + product(as_operator(self.kernel), values).reshape(self.start.shape)

    def test(self, c: Coefficients, cross: Tensor, start: Tensor | None = None) -> Tensor:
        """f_t(x) = f0(x) + K(x, X) c_t, (M, O) float64.

        cross: K(x, X), (M, N), or (M, N, O, O) for a kernel with N O rows, for any number M of points. start: f0(x)
        (M, O), the network's own outputs there; None means zero, which is right only if f0 is zero everywhere. Raises
        ValueError for other shapes, and for NaN or Inf.
        """
        check_cross(cross, start, self.targets, full=self._right.shape[1] != self.targets.shape[1])
        equation = "mnop,np->mo" if cross.ndim == 4 else "mn,no->mo"
        move = torch.einsum(equation, cross.double(), c.values.to(cross.device))
        return move if start is None else start.to(move) + move

    def _apply(self, phi: Callable[[Tensor], Tensor]) -> Coefficients:
        """c = phi(K + ridge) (y - f0)."""
        if self._spectrum is not None:
            l, v = self._spectrum.eigenvalues.clamp_min(0) + self.ridge, self._spectrum.vectors
            c = v @ (phi(l)[:, None] * (v.T @ self._right))
            return self._coefficients(c, float(self._spectrum.residuals.max()))
        floor = torch.finfo(self._operator.dtype).eps * len(self._right)

        def checked(l: Tensor) -> Tensor:
            _check_semi_definite(float(l.min()), float(l.max()) * floor)
            return phi(l.clamp_min(0) + self.ridge)

        applied = apply_function(self._operator, self._right, checked, tol=self.tol, max_steps=self._steps)
        return self._coefficients(applied.values, float(applied.residual.max()))

    def _regression(self) -> Coefficients:
        """c = (K + ridge)^-1 (y - f0); where K + ridge is singular, the solution of least norm."""
        if self._spectrum is None:
            solution = solve(self._operator, self._right, ridge=self.ridge, tol=self.tol)
            return self._coefficients(solution.x, float(solution.residual.max()))
        l, v = self._spectrum.eigenvalues.clamp_min(0) + self.ridge, self._spectrum.vectors
        inverse = torch.where(l > self._spectrum.floor, 1 / l, 0)
        c = v @ (inverse[:, None] * (v.T @ self._right))
        left = self._right - product(as_operator(self.kernel), c) - self.ridge * c
        size = norms(self._right)
        return self._coefficients(c, float((norms(left) / torch.where(size > 0, size, 1)).max()))

    def _coefficients(self, c: Tensor, residual: float) -> Coefficients:
        return Coefficients(c.reshape(self.targets.shape), residual, residual <= self.tol)


def _decompose(kernel: Tensor | SymmetricOperator, rows: int, budget: int) -> Spectrum:
    needed = DENSE_COPIES * 8 * rows**2
    if needed > budget:
        raise ValueError(
            f"memory is {budget / 2**30:.3g} GiB; allowed: {needed / 2**30:.3g} GiB, which an eigendecomposition of "
            f"{rows} rows takes, or fewer points, or method='iterative' with an NTKOperator, which stores no kernel"
        )
    decomposed = spectrum(kernel, method="dense")
    _check_semi_definite(float(decomposed.eigenvalues[-1]), decomposed.floor)
    return decomposed


def _krylov_steps(right: Tensor, budget: int) -> int:
    steps = min(KRYLOV_STEPS, budget // (8 * right.numel()))
    if steps < 2:
        raise ValueError(
            f"memory is {budget} bytes; allowed: {16 * right.numel()}, which two Krylov vectors of {right.numel()} "
            "numbers take, or fewer outputs at a time"
        )
    return steps


def _check_semi_definite(smallest: float, floor: float) -> None:
    """Raise ValueError for a negative eigenvalue that `floor`, the rounding of the largest, does not explain."""
    if smallest < -NEGATIVE * floor:
        raise ValueError(
            f"the kernel is not positive semi-definite: it has the eigenvalue {smallest:.3g}, where rounding is "
            f"{floor:.1g}; allowed: K(X, X) of one set of points; compute it in float64 if it is one"
        )
