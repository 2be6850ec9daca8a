"""A network as a pure function of its parameters, and the network itself with other values in its parameters."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from hpnets.ntk._mended import Mended
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._state import kept_state

Params = dict[str, Tensor]
SingleOutput = Callable[[Params, Tensor], Tensor]
BatchFunction = Callable[[Params, Tensor], Tensor]


def trainable_parameters(net: nn.Module) -> Params:
    """The detached parameters with requires_grad, by name; a tied weight appears once, under its first name.

    Raises ValueError for a parameter that a lazy module has not made yet.
    """
    own = dict(net.named_parameters())
    lazy = next((name for name, p in own.items() if nn.parameter.is_lazy(p)), None)
    if lazy is not None:
        raise ValueError(f"parameter {lazy!r} is uninitialized, of a lazy module; run one forward pass first")
    return {name: p.detach() for name, p in own.items() if p.requires_grad}


def call(net: nn.Module, params: Params, x: Tensor, within: AbstractContextManager[object] | None = None) -> Tensor:
    """net(x) with the values `params`, other parameters constant; what forward writes to the net is undone.

    within: the context that forward runs in. torch.func.functional_call takes longer, and leaves a plain tensor in a
    network that holds one module under two names.
    """
    modules = list(net.modules())
    if any_scripted(modules):
        raise TypeError("the network holds a torch.jit module, whose parameters are read where Python does not reach")
    values = {id(p): params[name] if name in params else p.detach() for name, p in net.named_parameters()}
    with kept_state(modules):
        _exchange(modules, "_parameters", values)
        _exchange(modules, "_buffers", _copied_buffers(modules))
        with within or nullcontext():
            return net(x.clone())


def plain_call(net: nn.Module, x: Tensor) -> Tensor:
    """net(x) as a user calls it, in the graph of its own parameters; what forward writes, to x too, is undone."""
    modules = list(net.modules())
    with kept_state(modules):
        if any_scripted(modules):
            return _scripted_call(net, x.clone())
        _exchange(modules, "_buffers", _copied_buffers(modules))
        return net(x.clone())


def any_scripted(modules: list[nn.Module]) -> bool:
    """Whether one of the modules is torch.jit's."""
    return any(isinstance(module, torch.jit.ScriptModule) for module in modules)


def _copied_buffers(modules: list[nn.Module]) -> dict[int, Tensor]:
    return {id(b): b.clone() for module in modules for b in module._buffers.values() if b is not None}


def _exchange(modules: list[nn.Module], kind: str, values: dict[int, Tensor]) -> None:
    """Put values, by id of a parameter or buffer, in all its places; `kept_state` puts the dictionaries back."""
    for module in modules:
        if own := vars(module)[kind]:
            vars(module)[kind] = {key: None if t is None else values[id(t)] for key, t in own.items()}


def _scripted_call(net: nn.Module, x: Tensor) -> Tensor:
    """net(x) of a torch.jit module, whose buffers cannot be exchanged: their values are put back."""
    before = [(b, b.clone()) for b in net.buffers()]
    try:
        return net(x)
    finally:
        for buffer, value in before:
            if not torch.equal(buffer, value):
                buffer.copy_(value)


@contextmanager
def own_parameters(net: nn.Module, params: Params) -> Iterator[Params]:
    """The network's own parameters of these names; within the block they hold `params` and require gradients.

    Kernels are proven against plain autograd in them. It exchanges no tensors and needs no hooks, so it also sees what
    these cannot reach, such as the weights that a checkpoint's recomputation reads.
    """
    own: Params = {name: p for name, p in net.named_parameters() if name in params}
    before = {name: (p.data, p.requires_grad) for name, p in own.items()}
    try:
        for name, p in own.items():
            if p.data_ptr() != params[name].data_ptr():
                p.data = params[name]
            p.requires_grad_(True)
        yield own
    finally:
        for name, p in own.items():
            p.data, p.requires_grad = before[name]


def batch_function(net: nn.Module, selection: OutputSelection, constants: Params) -> BatchFunction:
    """f(params, x) -> V^T net(x), (n, C), for torch.func; `constants`: the parameters that are not differentiated."""
    return lambda theta, x: selection.read(call(net, {**constants, **theta}, x, Mended()))


def single_output_function(net: nn.Module, selection: OutputSelection, constants: Params) -> SingleOutput:
    """f(params, x_i) -> V^T net(x_i), (C,), for one sample; `constants` are as for `batch_function`."""
    f = batch_function(net, selection, constants)
    return lambda theta, x_i: f(theta, x_i.unsqueeze(0)).squeeze(0)
