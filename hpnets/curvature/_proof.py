"""The check that second derivatives are those of the gradient: torch's own are wrong for some operations."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from hpnets.curvature._batches import rows_of_batch
from hpnets.curvature._loss import NetworkLoss
from hpnets.curvature._passes import HessianPass, gradient_of
from hpnets.ntk import Params, UnprovenWarning

# Samples of the check, the step in units of the parameters' norm, and what two equal derivatives differ by at most.
ROWS, STEP, TOLERANCE = 4, 1e-4, 1e-3


def check_second_derivative(loss: NetworkLoss, params: Params, block: Sequence[str], batch: Any) -> None:
    """Warn if H v is not (g(theta + h v) - g(theta - h v)) / 2h, for one random v, on four samples, in float64.

    They differ where an operation's second derivative is wrong, as torch's of `weight_norm` is, and where a value that
    depends on parameters is computed under no_grad: H has it constant. A loss with kinks, which a difference may cross,
    is not checked, and neither is a network that cannot be copied. It costs about six gradients of four samples.
    """
    try:
        copied, batch = _in_float64(loss, params), tree_map(_double, rows_of_batch(batch, slice(ROWS)))
        made = HessianPass(copied, copied.params, block, batch)
    except Exception:  # a network that cannot be copied or does not run in float64 may fail in any way
        return
    if made.kinks:
        return
    leaves = [copied.params[name] for name in block]
    generator = torch.Generator().manual_seed(0)
    v = [torch.randn(p.shape, dtype=p.dtype, generator=generator).to(p.device) for p in leaves]
    h = STEP * max(1.0, _norm(leaves)) / _norm(v)
    exact, least = torch.cat([t.flatten() for t in made.product(v)]), 1e-6 * _norm(made.gradient)
    ahead, behind = (_gradient_at(copied, leaves, block, batch, v, s) for s in (h, -h))
    difference = (ahead - behind) / (2 * h)
    error = float((exact - difference).norm())
    scale = max(float(difference.norm()), float(exact.norm()), least)
    if error > TOLERANCE * scale:
        warnings.warn(
            f"the Hessian's products differ from differences of the gradient by {error / scale:.1%}: torch's second "
            "derivative of an operation is wrong (that of weight_norm is), or a value that depends on parameters is "
            "computed under no_grad, which the Hessian has constant",
            UnprovenWarning,
            stacklevel=4,
        )


def _in_float64(loss: NetworkLoss, params: Params) -> NetworkLoss:
    """The loss of a float64 copy of the network, with the values `params`."""
    net = copy.deepcopy(loss.net)
    for name, p in params.items():
        net.get_parameter(name).data = p.detach().clone()
    return NetworkLoss(net.double(), loss.criterion, loss.forward)


def _double(leaf: Any) -> Any:
    return leaf.double() if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf


def _norm(tensors: Sequence[Tensor]) -> float:
    return sum(float(t.detach().square().sum()) for t in tensors) ** 0.5


def _gradient_at(
    loss: NetworkLoss, leaves: list[Tensor], block: Sequence[str], batch: Any, v: list[Tensor], h: float
) -> Tensor:
    """g(theta + h v) (P,); the copy's parameters are put back."""
    before = [p.detach().clone() for p in leaves]
    with torch.no_grad():
        for p, t in zip(leaves, v, strict=True):
            p += h * t
    gradient = torch.cat([g.flatten() for g in gradient_of(loss(loss.params, batch), leaves)])
    with torch.no_grad():
        for p, t in zip(leaves, before, strict=True):
            p.copy_(t)
    return gradient
