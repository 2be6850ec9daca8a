"""The mode in which functions take their forms."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hpnets.ntk._forms.batch_norm import affine_batch_norm
from hpnets.ntk._forms.images import convolution, is_quicker, max_pool, mean_pool
from hpnets.ntk._forms.mean import image_mean

_KINDS = (nn.modules.batchnorm._BatchNorm, nn.Conv2d)


class BackwardForms(TorchFunctionMode):
    """Within it, functions have the values of torch's own, in the graph of quicker forms if `quick`.

    to_leaves: whether the gradients of leaves, such as parameters, will be taken; else weights that are leaves have no
    part in the graph. Images may have channels last in memory, so that a network which views memory may fail; the
    forms can be differentiated once, so that one which needs more fails too. The survey finds out.
    """

    def __init__(self, quick: bool, to_leaves: bool = True) -> None:
        super().__init__()
        forms = _FORMS if to_leaves else _FORMS | _NOT_TO_LEAVES
        self._forms: dict[Any, Callable[..., Tensor | None]] = forms if quick else {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        form = self._forms.get(func) if torch.is_grad_enabled() else None
        y = None if form is None else form(*args, **kwargs)
        return func(*args, **kwargs) if y is None else y


def has_forms(net: nn.Module) -> bool:
    """Whether the network holds a module whose function has a form that matters for its time."""
    return any(isinstance(module, _KINDS) for module in net.modules())


def _images(form: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
    """The form, for images that are quicker with channels last."""

    def formed(input: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
        return form(input, *args, **kwargs) if is_quicker(input) else None

    return formed


def _mean(input: Tensor, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Tensor | None:
    return None if kwargs else image_mean(input, dim, partial(torch.mean, dim=dim, keepdim=keepdim))


def _pooled(input: Tensor, output_size: Any) -> Tensor | None:
    if output_size not in (1, (1, 1), [1, 1]) or input.ndim != 4:
        return None
    return image_mean(input, (2, 3), partial(torch.mean, dim=(2, 3), keepdim=True))


def _as_strided(input: Tensor, *args: Any, **kwargs: Any) -> None:
    if not input.is_contiguous():
        raise RuntimeError("as_strided reads memory, whose layout the forms may have changed")


_FORMS: dict[Any, Callable[..., Tensor | None]] = {
    F.batch_norm: affine_batch_norm,
    torch.conv2d: _images(convolution),
    F.max_pool2d: _images(max_pool),
    torch.max_pool2d: _images(max_pool),
    F.avg_pool2d: _images(mean_pool),
    torch.mean: _mean,
    Tensor.mean: _mean,
    F.adaptive_avg_pool2d: _pooled,
    Tensor.as_strided: _as_strided,
    torch.as_strided: _as_strided,
}
_NOT_TO_LEAVES: dict[Any, Callable[..., Tensor | None]] = {
    F.batch_norm: partial(affine_batch_norm, to_leaves=False),
    torch.conv2d: _images(partial(convolution, to_leaves=False)),
}
