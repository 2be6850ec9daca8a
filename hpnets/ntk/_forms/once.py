"""Backward formulas that hold for one derivative."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def differentiated_once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a Function's `backward`; RuntimeError if its result is to be differentiated.

    torch's once_differentiable raises only where the second pass meets the function, and leaves the gradients of
    parameters that are reached by other ways too incomplete.
    """

    @wraps(backward)
    def once(ctx: Any, *gradients: torch.Tensor) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError("a quick backward form can be differentiated once")
        return backward(ctx, *gradients)

    return once
