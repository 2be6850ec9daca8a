"""BatchNorm in eval mode in the graph as y = x * scale + shift, whose backward pass vectorises over outputs."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class AffineBatchNorm(TorchFunctionMode):
    """Within it, F.batch_norm with running statistics gives its own values, in the graph of an elementwise product.

    torch's backward formula of it is looped over the outputs, or copies the gradients into another layout.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        y = _affine(*args, **kwargs) if func is F.batch_norm and torch.is_grad_enabled() else None
        if y is None:
            return func(*args, **kwargs)
        with torch.no_grad():
            # Other rounding would open other gates of ReLUs after it than plain autograd sees.
            values = func(*args, **kwargs)
        y.detach().copy_(values)
        return y


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
    scale = torch.rsqrt(running_var + eps)
    scale = scale if weight is None else scale * weight
    shift = -running_mean * scale
    shift = shift if bias is None else shift + bias
    shape = (1, -1, *[1] * (input.ndim - 2))
    return torch.addcmul(shift.view(shape), input, scale.view(shape))
