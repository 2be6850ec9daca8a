"""Everything of a network that a call might change."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.ntk import Rngs
from tests.device import DEVICE


def snapshot(net: nn.Module) -> list[Any]:
    """Attributes of every submodule (parameters, buffers, hooks, modes, caches), gradients, the RNGs, torch's flags."""
    return [
        [_remember(vars(module), set()) for module in net.modules()],
        [(name, t.clone()) for name, t in net.state_dict().items() if not nn.parameter.is_lazy(t)],
        Rngs(net.modules(), torch.device(DEVICE)).state(),
        (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        arithmetic(),
    ]


def arithmetic() -> dict[str, Any]:
    """What torch's flags say of arithmetic: float32's precision by kind of operation, cuDNN, attention's fast path."""
    kinds = {"cuda": ("matmul",), "cudnn": ("conv", "rnn"), "mkldnn": ("matmul", "conv", "rnn")}
    places = {f"{name}.{kind}": getattr(getattr(torch.backends, name), kind) for name in kinds for kind in kinds[name]}
    precisions = {key: place.fp32_precision for key, place in places.items()}
    return {**precisions, "cudnn": torch.backends.cudnn.enabled, "mha": torch.backends.mha.get_fastpath_enabled()}


def _remember(value: Any, above: set[int]) -> Any:
    """A copy that `same` can compare: containers with what they hold, tensors with their values, others by identity."""
    if nn.parameter.is_lazy(value):
        return _Same(value)
    if isinstance(value, Tensor):
        grad = _remember(value.grad, above) if value.is_leaf else None
        return _Same(value), value.detach().clone(), value.requires_grad, grad
    if isinstance(value, dict | list | tuple | set) and id(value) not in above:
        items = value.items() if isinstance(value, dict) else value
        inside = [_remember(item, above | {id(value)}) for item in items]
        return (inside, len(value)) if isinstance(value, tuple) else (_Same(value), inside)
    return value if isinstance(value, int | float | str | None) else _Same(value)


class _Same:
    """Equal to what holds the very same object."""

    def __init__(self, value: object) -> None:
        self.value = value


def same(a: Any, b: Any) -> bool:
    """Whether two snapshots are equal, bit for bit."""
    if isinstance(a, _Same):
        return isinstance(b, _Same) and a.value is b.value
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
