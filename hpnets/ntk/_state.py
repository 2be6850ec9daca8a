"""The state in which a kernel is computed, and which it leaves as it was: modules, arithmetic, autograd, RNGs."""

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

# A forward pass may add entries to these of nn.Module's own attributes; the others hold hooks.
_REGISTERED = {"_parameters", "_buffers", "_modules"}
_HOOKS = vars(nn.Module()).keys() - _REGISTERED
# For each attribute: its value, and a copy of what may change inside the value, or None.
_Saved = dict[str, tuple[Any, Any]]


@contextmanager
def kept_state(net: nn.Module) -> Iterator[None]:
    """Undo at the end what forward stores on the modules of `net`: caches, counters, lazily made tensors.

    Attributes get their values back, containers their entries, and plain tensors, which forward may write to in place,
    their contents. Buffers are not copied here, since `call` and `plain_call` run on copies of them.
    """
    before = [(vars(m), _saved(vars(m))) for m in net.modules() if not isinstance(m, torch.jit.ScriptModule)]
    try:
        yield
    finally:
        for attributes, saved in before:
            _restore(attributes, saved)


def _saved(attributes: dict[str, Any]) -> _Saved:
    return {name: (value, _copy(value)) for name, value in attributes.items() if name not in _HOOKS}


def _copy(value: Any) -> Any:
    if isinstance(value, dict | list | set):
        return value.copy()
    return value.detach().clone() if type(value) is Tensor and not value.requires_grad else None


def _restore(attributes: dict[str, Any], saved: _Saved) -> None:
    if len(attributes) > len(saved) + len(_HOOKS):
        for name in attributes.keys() - saved.keys() - _HOOKS:
            del attributes[name]
    for name, (value, copy) in saved.items():
        attributes[name] = value
        if isinstance(value, dict):
            if len(value) != len(copy) or any(value.get(key) is not entry for key, entry in copy.items()):
                value.clear()
                value.update(copy)
        elif isinstance(value, list):
            value[:] = copy
        elif isinstance(value, set):
            value.clear()
            value.update(copy)
        elif copy is not None and not torch.equal(value, copy):
            value.copy_(copy)


@contextmanager
def undisturbed(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Turn off autocast, TF32 and compiled code, and restore them and the RNGs at the end.

    Autocast and TF32 cost more digits than a kernel's drift has. Inference mode is left, since its tensors have no
    gradients, and torch's fused attention is off, since it has neither forward-mode derivatives nor batching rules.
    """
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = matmul.fp32_precision, conv.fp32_precision
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    compiled = any(m._compiled_call_impl is not None or hasattr(m, "_orig_mod") for m in net.modules())
    matmul.fp32_precision = conv.fp32_precision = "ieee"
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.no_grad())
            stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
            stack.enter_context(_other_rngs_kept())
            stack.enter_context(torch.autocast(device.type, enabled=False))
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if compiled:
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before
        torch.backends.mha.set_fastpath_enabled(fast_attention)


@contextmanager
def _other_rngs_kept() -> Iterator[None]:
    """Restore Python's RNG at the end, and numpy's if it is loaded: networks draw from them too."""
    state, numpy = random.getstate(), sys.modules.get("numpy")
    numpy_state = None if numpy is None else numpy.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)


def rng_state(device: torch.device) -> list[Any]:
    """A value that changes when torch draws on the CPU or on `device`, or when Python draws; compare it by ==."""
    states = [torch.random.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])
    return [*(state.numpy().tobytes() for state in states), random.getstate()]
