"""Functions that torch.func transforms wrongly, in forms of the same values that it transforms right."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Mended(TorchFunctionMode):
    """Within it, such functions take their forms; tests/ntk/test_torch_bugs.py shows torch's fault with each."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _FORMS.get(func, func)(*args, **(kwargs or {}))


def _prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, else w x, with a weight for each channel or one for all."""
    if weight.numel() > 1:
        weight = weight.view(-1, *[1] * (input.ndim - 2))
    return torch.where(input > 0, input, weight * input)


def _cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm of the difference between each row of x1 (..., n, d) and each of x2 (..., m, d)."""
    return torch.linalg.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, dim=-1)


_FORMS: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys((F.prelu, torch.prelu, Tensor.prelu), _prelu),
    torch.cdist: _cdist,
}
