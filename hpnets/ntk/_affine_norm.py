"""BatchNorm in eval mode in the graph as y = x * scale + shift, whose backward pass vectorises over outputs."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class AffineBatchNorm(TorchFunctionMode):
    """Within it, F.batch_norm with running statistics has the backward formula of an elementwise product.

    torch's own formula of it is looped over the outputs, or copies the gradients into another layout.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        y = _affine(*args, **kwargs) if func is F.batch_norm and torch.is_grad_enabled() else None
        return func(*args, **kwargs) if y is None else y


def has_batch_norm(net: nn.Module) -> bool:
    """Whether the network holds a BatchNorm module."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())


def _affine(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor | None:
    """F.batch_norm of these arguments; None if it takes the batch's statistics, or tensors of several dtypes."""
    given = [t for t in (running_mean, running_var, weight, bias) if t is not None]
    if training or running_mean is None or running_var is None or any(t.dtype != input.dtype for t in given):
        return None
    return _Affine.apply(input, running_mean, running_var, weight, bias, eps)


class _Affine(torch.autograd.Function):
    """y = (x - mean) * (var + eps)^-1/2 * weight + bias in torch's own rounding, so that ReLUs open the same gates."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        ctx.eps, ctx.shape = eps, (1, -1, *[1] * (x.ndim - 2))
        ctx.save_for_backward(x if ctx.needs_input_grad[3] else None, mean, var, weight)
        return F.batch_norm(x, mean, var, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, mean, var, weight = ctx.saved_tensors
        (g,) = gradients
        scale = torch.rsqrt(var + ctx.eps)
        own = scale if weight is None else scale * weight
        others = [i for i in range(g.ndim) if i != 1]
        return (
            g * own.view(ctx.shape) if ctx.needs_input_grad[0] else None,
            None,
            None,
            (g * (x - mean.view(ctx.shape)) * scale.view(ctx.shape)).sum(others) if ctx.needs_input_grad[3] else None,
            g.sum(others) if ctx.needs_input_grad[4] else None,
            None,
        )
