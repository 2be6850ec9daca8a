"""What the backward formulas of all forms have in common: they hold for one derivative, and weights have a share."""

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


def needs_gradient(weights: tuple[torch.Tensor | None, ...], to_leaves: bool) -> bool:
    """Whether the gradient of a weight may be asked for, which of leaves it is only if `to_leaves`."""
    return any(w is not None and w.requires_grad and (to_leaves or not w.is_leaf) for w in weights)
