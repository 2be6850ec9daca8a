"""Networks beside their limits of infinite width: kernels, predictions by kernels, and the Gaussian process."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.kernels import KernelPredictor
from hpnets.ntk import ntk
from hpnets.papers.parts.descent import descend
from hpnets.theory import limit_kernel

Measured = dict[str, Any]


def relative(a: Tensor, b: Tensor) -> float:
    """|a - b| / |b|."""
    return float((a.double() - b.double()).norm() / b.double().norm())


def beside_limit(net: nn.Module, x0: Tensor, x: Tensor) -> Measured:
    """The kernel K(x0, x) as "row", that of infinite width as "limit", and their relative distance as "error"."""
    row, limit = ntk(net, x0, x, outputs="trace")[0], limit_kernel(net, x0, x).ntk[0]
    return {"row": row.tolist(), "limit": limit.tolist(), "error": relative(row, limit)}


def trained(net: nn.Module, x: Tensor, y: Tensor, x0: Tensor, z: Tensor, lr: float, steps: int) -> Measured:
    """Gradient descent on 1/(2N) sum (f - y)^2: how the kernel moved, and how far predictions by kernels are off.

    "before", "after": the row K(x0, z); "move": |K_T - K_0| / |K_0| of it; "inflation": mean K_T / mean K_0; "finite",
    "limit": distance on z between the trained network and the prediction with its own kernel K_0, or with the limit
    kernel, relative to how far the network went from where it started.
    """
    with torch.no_grad():
        start, start_z = net(x), net(z)
    row = ntk(net, x0, z, outputs="trace")
    kernels = {
        "finite": (ntk(net, x, outputs="trace"), ntk(net, z, x, outputs="trace")),
        "limit": (limit_kernel(net, x).ntk, limit_kernel(net, z, x).ntk),
    }
    descend(net, x, y, lr, steps, set())
    moved = ntk(net, x0, z, outputs="trace")
    with torch.no_grad():
        end_z = net(z)
    made = {"move": relative(moved, row), "inflation": float(moved.mean() / row.mean())}
    for name, (K, cross) in kernels.items():
        predictor = KernelPredictor(K, y, start)
        f = predictor.test(predictor.descent(steps, lr), cross, start_z)
        made[name] = float((end_z - f).norm() / (end_z - start_z).norm())
    return made | {"before": row[0].tolist(), "after": moved[0].tolist()}


def limit_process(net: nn.Module, x: Tensor, y: Tensor, z: Tensor, lr: float, steps: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation at z of the Gaussian process that the trained network tends to, of any width.

    f_t(z) = f0(z) + A (y - f0(x)), A = K(z, x) K(x, x)^-1 (1 - (1 - lr K / N)^t): mean A y, covariance that of
    f0(z) - A f0(x).
    """
    K, S = limit_kernel(net, x).ntk, limit_kernel(net, x).covariance
    cross, own = limit_kernel(net, z, x), limit_kernel(net, z).covariance
    A = cross.ntk @ KernelPredictor(K, torch.eye(len(x)).to(K)).descent(steps, lr).values
    covariance = own - A @ cross.covariance.T - cross.covariance @ A.T + A @ S @ A.T
    return (A @ y.double())[:, 0], covariance.diagonal().clamp_min(0).sqrt()
