"""The mean over an image in the graph, whose gradient is the same at all positions and is not written out."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hpnets.ntk._forms.once import differentiated_once


def image_mean(x: Tensor, axes: Any, values: Callable[[Tensor], Tensor]) -> Tensor | None:
    """values(x), the mean of x (n, c, h, w) over `axes`, kept or not; None if these are not h and w."""
    if x.ndim != 4 or not isinstance(axes, tuple | list) or {axis % 4 for axis in axes} != {2, 3}:
        return None
    return _Mean.apply(x, values)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.shape = x.shape
        return values(x)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,) = gradients
        share = g / ctx.shape[2:].numel()
        return share.reshape(*ctx.shape[:2], 1, 1).expand(ctx.shape), None
