"""Functions that torch.func transforms wrongly or not at all, in forms of the same values that it transforms right."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.forward_ad import _set_fwd_grad_enabled
from torch.overrides import TorchFunctionMode


class Mended(TorchFunctionMode):
    """Within it, such functions take their forms; tests/ntk/test_torch_bugs.py shows torch's fault with each."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _FORMS.get(func, func)(*args, **(kwargs or {}))


class AsReverseMode(Mended):
    """Within it what is computed under no_grad is a constant in forward mode too, as it is in training."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with _set_fwd_grad_enabled(torch.is_grad_enabled()):
            return super().__torch_function__(func, types, args, kwargs)


def _prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, else w x, with a weight for each channel or one for all."""
    if weight.numel() > 1:
        weight = weight.view(-1, *[1] * (input.ndim - 2))
    return torch.where(input > 0, input, weight * input)


def _cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm of the difference between each row of x1 (..., n, d) and each of x2 (..., m, d)."""
    return torch.linalg.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, dim=-1)


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """g v / |v|, with the 2-norm over all axes but `dim`."""
    return v * (g / torch.norm_except_dim(v, 2, dim))


_FORMS: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys((F.prelu, torch.prelu, Tensor.prelu), _prelu),
    torch.cdist: _cdist,
    torch._weight_norm: _weight_norm,
}
