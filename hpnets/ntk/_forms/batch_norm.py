"""BatchNorm in eval mode in the graph as y = x * scale + shift, whose backward pass vectorises over outputs.

torch's own formula of it is looped over the outputs, or copies the gradients into another layout.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.ntk._forms.once import differentiated_once
from hpnets.ntk._forms.share import needs_share


def affine_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    to_leaves: bool = True,
) -> Tensor | None:
    """F.batch_norm of these arguments; None if it takes the batch's statistics, or tensors of several dtypes.

    to_leaves: whether the gradients of leaves will be taken.
    """
    given = [t for t in (running_mean, running_var, weight, bias) if t is not None]
    if training or running_mean is None or running_var is None or any(t.dtype != input.dtype for t in given):
        return None
    with torch.no_grad():
        shape = (1, -1, *[1] * (input.ndim - 2))
        deviation = torch.sqrt(running_var + eps).view(shape)
        scale = deviation.reciprocal() if weight is None else weight.view(shape) / deviation
    share = None
    if needs_share(input, (weight, bias), to_leaves):
        share = _Share.apply(input.detach(), running_mean.view(shape), deviation, weight, bias)
    values = partial(
        F.batch_norm, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias, eps=eps
    )
    return _Affine.apply(input, share, scale, values)


class _Affine(torch.autograd.Function):
    """values(x), in the graph of x * scale + share.

    The values are torch's own, since ReLUs would open other gates in other rounding. The gradients of weight and bias
    are those of `share`: autograd asks a function for all its gradients, but leaves out a function of which it needs
    none.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: Tensor | None, scale: Tensor, values: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.scale = scale
        return values(x)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,) = gradients
        to_x, to_share, _, _ = ctx.needs_input_grad
        return g * ctx.scale if to_x else None, g if to_share else None, None, None


class _Share(torch.autograd.Function):
    """What weight and bias give to y; its values are left out, so that it takes no memory."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, deviation: Tensor, weight: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        ctx.mean, ctx.deviation = mean, deviation
        ctx.save_for_backward(x)
        return x.new_zeros(()).expand(x.shape)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,) = gradients
        (x,) = ctx.saved_tensors
        _, _, _, to_weight, to_bias = ctx.needs_input_grad
        others = [i for i in range(g.ndim) if i != 1]
        normalised = (x - ctx.mean) / ctx.deviation if to_weight else None
        return (
            None,
            None,
            None,
            None if normalised is None else (g * normalised).sum(others),
            g.sum(others) if to_bias else None,
        )
