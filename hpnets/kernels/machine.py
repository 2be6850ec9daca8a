"""Kernel machines as functions of points, differentiable in them, of a limit kernel or of a network's own kernel."""

import torch
from torch import Tensor, nn

from hpnets.kernels.gaussian_process import KernelFunction
from hpnets.linalg import tiles
from hpnets.ntk import Linearised, linearize
from hpnets.validate import at_least, require_shape


class KernelMachine:
    """f(x) = K(x, X) c, points (M, *shape) to outputs (M, O) float64, differentiable in x where the kernel is.

    kernel: k(x1, x2) of points that returns (N1, N2), such as that of `limit_kernel`; x: the points X (N, *shape);
    coefficients: c (N, O), such as `KernelPredictor(k(X, X), y).flow(inf).values`. Raises ValueError for another number
    of coefficients than of points.
    """

    def __init__(self, kernel: KernelFunction, x: Tensor, coefficients: Tensor) -> None:
        _check(x, coefficients)
        self.kernel, self.x, self.coefficients = kernel, x, coefficients.double()

    def __call__(self, x: Tensor) -> Tensor:
        return self.kernel(x, self.x).double() @ self.coefficients.to(x.device)


def tangent_machine(net: nn.Module, x: Tensor, coefficients: Tensor, batch_size: int = 100) -> Linearised:
    r"""The machine of a network's own kernel, without a kernel: f(x) = J(x) w with w = J(X)^T c, of its dtype.

        f(x) = K(x, X) c,   K(x, x') = J(x) J(x')^T,   `ntk(net, x, X, outputs="full")`

    It costs two forward passes a point, and is differentiable in x. With one output "full" is "trace". The network is
    taken in eval mode. coefficients: c (N, O). Raises ValueError as `KernelMachine` does.
    """
    _check(x, coefficients)
    machine, step = linearize(net, centred=True).eval(), at_least("batch_size", batch_size, 1)
    w = [torch.zeros_like(d) for d in machine.delta]
    for rows in tiles(len(x), step):
        f = machine(x[rows])
        c = coefficients[rows].to(f)
        require_shape(f.shape == c.shape, "coefficients", coefficients, f"({len(x)}, {f.shape[1]})")
        for total, part in zip(w, torch.autograd.grad((f * c).sum(), list(machine.delta)), strict=True):
            total += part
    with torch.no_grad():
        for d, total in zip(machine.delta, w, strict=True):
            d.copy_(total)
    return machine.requires_grad_(False)


def _check(x: Tensor, coefficients: Tensor) -> None:
    fits = coefficients.ndim == 2 and len(coefficients) == len(x)
    require_shape(fits, "coefficients", coefficients, f"({len(x)}, O), a row for each of the points x")
