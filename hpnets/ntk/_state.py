"""The state in which a kernel is computed, and which it leaves as it was: modules, arithmetic, autograd, RNGs."""

import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from operator import is_not
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrize

from hpnets.ntk._allocator import keep_freed_memory
from hpnets.ntk._failures import RefusalError
from hpnets.ntk._rngs import Rngs

# nn.Module's own attributes that hold hooks: a forward pass keeps nothing there.
_HOOKS = vars(nn.Module()).keys() - {"_parameters", "_buffers", "_modules"}
_CONTAINERS = (dict, list, set)
# Kinds of values that nothing changes inside; most attributes are of these, and a look at the kind is quickest.
_FIXED = frozenset({type(None), bool, int, float, str, tuple})
# Held by the thread that has changed the process's state.
_ALONE = threading.RLock()


@contextmanager
def kept_state(modules: list[nn.Module]) -> Iterator[None]:
    """Undo at the end what forward stores on a network's modules: caches, counters, lazily made tensors.

    Attributes get their values back, containers their entries, and plain tensors, which forward may write to in place,
    their contents. Buffers are not copied here, since `call` and `plain_call` run on copies of them.
    """
    before = _attributes_of(modules, _HOOKS)
    try:
        yield
    finally:
        _restore(before)


# The attributes of a module, a copy of them, and each value that may change inside, with a copy of it.
_Attributes = tuple[dict[str, Any], dict[str, Any], list[tuple[Any, Any]]]


def _attributes_of(modules: list[nn.Module], left_out: Collection[str]) -> list[_Attributes]:
    every = [vars(m) for m in modules if not isinstance(m, torch.jit.ScriptModule)]
    return [(attributes, attributes.copy(), _contents(attributes, left_out)) for attributes in every]


def _contents(attributes: dict[str, Any], left_out: Collection[str]) -> list[tuple[Any, Any]]:
    contents: list[tuple[Any, Any]] = []
    for name, value in attributes.items():
        kind = type(value)
        if kind in _FIXED or name in left_out:
            continue
        if isinstance(value, _CONTAINERS):
            contents.append((value, value.copy() if value else None))  # most are empty, of which no copy is made
        elif kind is Tensor and not value.requires_grad:
            contents.append((value, value.detach().clone()))
    return contents


def _restore(before: list[_Attributes]) -> None:
    for attributes, values, contents in before:
        for name in attributes.keys() - values.keys() if len(attributes) > len(values) else ():
            del attributes[name]
        attributes.update(values)
        for value, copy in contents:
            if copy is not None or value:
                _refill(value, copy)


def _refill(value: Any, copy: Any) -> None:
    """Give a container its entries back, none if `copy` is None, and a tensor its contents."""
    if copy is None:
        value.clear()
    elif isinstance(value, dict):
        if value.keys() != copy.keys() or any(map(is_not, value.values(), copy.values())):
            value.clear()
            value.update(copy)
    elif isinstance(value, list):
        value[:] = copy
    elif isinstance(value, set):
        value.clear()
        value.update(copy)
    elif not torch.equal(value, copy):
        value.copy_(copy)


def _enter_modes_again(modules: list[nn.Module]) -> bool:
    """Tell modules that have a `train` of their own the mode that they are in; return whether there are any.

    At that networks drop what they computed of their parameters once for eval mode, as some vision transformers do. A
    call under no_grad leaves it without a graph, and one in grad mode with a graph that may have been used up.
    """
    own = [m for m in modules if type(m).train is not nn.Module.train]
    own = [m for m in own if all(part.training == m.training for part in m.modules())]
    for module in own:
        module.train(module.training)
    return bool(own)


def _make_gradients_dense(modules: list[nn.Module]) -> bool:
    """Let embeddings give gradients in the usual layout, which rules and reshapes need; return whether any did not."""
    sparse = [m for m in modules if isinstance(m, (nn.Embedding, nn.EmbeddingBag)) and m.sparse]
    for module in sparse:
        module.sparse = False
    return bool(sparse)


@contextmanager
def _put_back(modules: list[nn.Module]) -> Iterator[None]:
    """Let modules compute anew what they keep for their mode, with dense gradients; at the end put it back.

    After an exception put back attributes, parameters and hooks, and torch's transforms and modes. All that is run
    within puts back what it changes, but Ctrl-C may come between any two steps, so also between those.
    """
    transforms, modes = torch._C._functorch.get_dynamic_layer_stack_depth(), torch._C._len_torch_function_stack()
    before = _attributes_of(modules, ())
    own = [p for m in modules for p in m._parameters.values() if p is not None and not nn.parameter.is_lazy(p)]
    parameters = [(p, p.data, p.requires_grad) for p in own]
    try:
        changes = [_enter_modes_again(modules), _make_gradients_dense(modules)]
        yield
        if any(changes):
            _restore(before)
    except BaseException:
        torch._C._functorch.pop_dynamic_layer_stack_and_undo_to_depth(transforms)
        for _ in range(torch._C._len_torch_function_stack() - modes):
            torch._C._pop_torch_function_stack()
        _restore(before)
        for p, data, requires_grad in parameters:
            p.data = data
            p.requires_grad_(requires_grad)
        raise


@contextmanager
def undisturbed(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Turn off autocast, TF32 and compiled code, and restore them and the RNGs at the end.

    These belong to the whole process, so that calls in several threads wait for one another. Autocast, TF32 and
    products of bfloat16 cost more digits than a kernel's drift has. Inference mode is left, since its tensors have no
    gradients, and torch's fused attention is off.
    Raises RefusalError if the network reads a tensor of an earlier call that has no gradients any more.
    """
    keep_freed_memory()
    modules = list(net.modules())
    compiled = any(m._compiled_call_impl is not None or "_orig_mod" in m._modules for m in modules)
    with _ALONE, ExitStack() as stack:
        stack.enter_context(_plain_arithmetic(modules))
        stack.enter_context(_graphs_that_fail_refused())
        stack.enter_context(_put_back(modules))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(Rngs(modules, device).kept())
        stack.enter_context(_parametrised_anew())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(unfused_attention())
        if compiled:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def _plain_arithmetic(modules: list[nn.Module]) -> Iterator[None]:
    """Turn off TF32 and bfloat16 products, and cuDNN where there are recurrent layers.

    `torch.set_float32_matmul_precision` turns on either. cuDNN's recurrent layers have no backward pass in eval mode,
    and neither forward-mode derivatives nor batching rules in any; torch's own kernels compute the same function.
    """
    cudnn, mkldnn = (getattr(torch.backends, name) for name in ("cudnn", "mkldnn"))  # whose parts have no types
    cpu = [mkldnn.matmul, mkldnn.conv, mkldnn.rnn]
    precisions = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn, *cpu]
    before = [place.fp32_precision for place in precisions]
    enabled = cudnn.enabled
    try:
        for place in precisions:
            place.fp32_precision = "ieee"
        if any(isinstance(m, nn.RNNBase) for m in modules):
            cudnn.enabled = False
        yield
    finally:
        for place, precision in zip(precisions, before, strict=True):
            place.fp32_precision = precision
        cudnn.enabled = enabled


class _Unfused:
    """The flags of torch's fused attention, off while there are users, of whatever thread; the last puts them back."""

    def __init__(self) -> None:
        self.users, self.lock, self.off = 0, threading.Lock(), ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            if not self.users:
                mha = torch.backends.mha
                self.off.callback(mha.set_fastpath_enabled, mha.get_fastpath_enabled())
                mha.set_fastpath_enabled(False)
                self.off.enter_context(sdpa_kernel(SDPBackend.MATH))
            self.users += 1
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if not self.users:
                    self.off.close()


# Turns off torch's fused attention, which has neither forward-mode derivatives nor batching rules.
unfused_attention = _Unfused()


# What torch says where a graph was freed, and where a tensor was made in inference mode.
_STALE = ("backward through the graph a second time", "Inference tensors cannot be saved for backward")
# What it says of a recurrent layer that no module of the network is, but one of its functions calls.
_CUDNN_RNN = "cudnn RNN backward can only be called in training mode"


@contextmanager
def _graphs_that_fail_refused() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if any(text in str(error) for text in _STALE):
            raise RefusalError(
                "net reads a tensor that an earlier call of it computed and kept, and that has no gradients any more; "
                "drop what it keeps, or take a copy of the net from before that call"
            ) from error
        if _CUDNN_RNN in str(error):
            raise RefusalError(
                "net calls a recurrent function of cuDNN, which has no backward pass in eval mode; allowed: the same "
                "call within torch.backends.cudnn.flags(enabled=False)"
            ) from error
        raise


@contextmanager
def _parametrised_anew() -> Iterator[None]:
    """Turn off torch's cache of parametrised weights, whose entries are of earlier calls, as under no_grad."""
    before = parametrize._cache_enabled
    parametrize._cache_enabled = 0
    try:
        yield
    finally:
        parametrize._cache_enabled = before
