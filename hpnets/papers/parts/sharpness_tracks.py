"""A network's sharpness while it trains: of the Hessian, its Gauss-Newton part and the kernel, weighted by rates."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from hpnets.curvature import all_ones, gauss_newton, hessian, network_loss, rate_weights, residual, share_of, sharpness
from hpnets.options import OptimOptions
from hpnets.training.lit import make_optimizer

Row = dict[str, float]
# An eigenvalue's error is about the residual squared; restarts bound the work where a network is about to diverge.
EFFORT: dict[str, Any] = {"tol": 1e-2, "max_restarts": 3}


def track(
    net: nn.Module,
    criterion: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    optim: OptimOptions,
    times: Sequence[int],
    split: bool = False,
) -> list[Row]:
    """One row at each of `times`, in steps of full-batch training; the rows end where a number is no longer finite.

    split: measure the residual part's own eigenvalue too.
    """
    net, optimizer, rows = net.eval(), make_optimizer(net, optim), list[Row]()
    for step in range(max(times) + 1):
        optimizer.zero_grad()
        loss = criterion(net(data[0]), data[1])
        if not torch.isfinite(loss):
            break
        if step in times:
            try:
                # Second derivatives are proven once, at the first of the times.
                values = measured(net, criterion, data, optimizer, split, verify=not rows)
                rows.append({"step": step, "loss": loss.item(), **values})
            except ValueError:  # products that hold NaN or Inf, of a finite loss
                break
        loss.backward()
        optimizer.step()
    return rows


def measured(
    net: nn.Module,
    criterion: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    optimizer: torch.optim.Optimizer,
    split: bool,
    verify: bool,
) -> Row:
    r"""The largest eigenvalues of D^1/2 M D^1/2 for M = H, the kernel J^T J / n and R = H - G (`split`); H's raw one.

    D holds the rates' factors, times Adam's preconditioner, which there is none of before a step: then what has it is
    left out. share: v^T G v / lambda of H's top eigenvector, the part that is Gauss-Newton's.
    """
    loss, kernel = network_loss(net, criterion), network_loss(net, half_square)
    params = loss.params
    H = hessian(loss, params, data, verify=verify)
    raw = sharpness(H, **EFFORT)
    row, weights = {"raw": float(raw.values)}, rate_weights(params, optimizer)
    if weights is None:
        return row
    top = raw if all_ones(weights) else sharpness(H.weighted(weights), **EFFORT)
    # H, which takes most, was found to fit into memory.
    made: dict[str, Any] = {"weights": weights, "memory": None}
    if split:
        row["residual"] = float(sharpness(residual(loss, params, data, verify=False, **made), **EFFORT).values)
    return row | {
        "hessian": float(top.values),
        "share": float(share_of(gauss_newton(loss, params, data, **made), top)),
        "kernel": float(sharpness(gauss_newton(kernel, params, data, **made), **EFFORT).values),
    }


def half_square(f: Tensor, y: Tensor) -> Tensor:
    """1/2 |f|^2, the mean over samples, whose Gauss-Newton matrix is J^T J / n: the kernel's eigenvalues over n."""
    return half_error(f, torch.zeros_like(f))


def half_error(f: Tensor, y: Tensor) -> Tensor:
    """1/2 |f - y|^2, the mean over samples."""
    return mse_loss(f, y, reduction="sum") / (2 * len(f))


def lanczos_error(net: nn.Module, criterion: Callable[[Tensor, Tensor], Tensor], data: tuple[Tensor, Tensor]) -> float:
    """The relative error of the Hessian's largest eigenvalue beside that of the dense matrix."""
    loss = network_loss(net, criterion)
    operator = hessian(loss, loss.params, data)
    own = float(sharpness(operator, tol=1e-3).values)
    whole = operator.matmat(torch.eye(operator.shape[0])).double()
    exact = float(torch.linalg.eigvalsh((whole + whole.T) / 2)[-1])
    return abs(own - exact) / abs(exact)
