"""A network as a pure function of its parameters, and the network itself with other values in its parameters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._state import kept_state

Params = dict[str, Tensor]
SingleOutput = Callable[[Params, Tensor], Tensor]
BatchFunction = Callable[[Params, Tensor], Tensor]


def trainable_parameters(net: nn.Module) -> Params:
    """The detached parameters with requires_grad, by name; a tied weight appears once, under its first name.

    Raises ValueError for a parameter that a lazy module has not made yet.
    """
    lazy = next((name for name, p in net.named_parameters() if nn.parameter.is_lazy(p)), None)
    if lazy is not None:
        raise ValueError(f"parameter {lazy!r} is uninitialized, of a lazy module; run one forward pass first")
    return {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}


def call(net: nn.Module, params: Params, x: Tensor) -> Tensor:
    """net(x) with the values `params`, other parameters constant; what forward writes to the net is undone.

    This differs from functional_call alone, which leaves a plain tensor in a network that holds one module under two
    names: here each place of a parameter is named once, and tied places get the same value.
    """
    first = {id(p): name for name, p in net.named_parameters()}
    state = _copied_buffers(net)
    for prefix, module in net.named_modules():
        for key, p in module.named_parameters(recurse=False, remove_duplicate=False):
            name = first[id(p)]
            state[f"{prefix}.{key}" if prefix else key] = params[name] if name in params else p.detach()
    with kept_state(net):
        return functional_call(net, state, (x.clone(),), tie_weights=False)


def plain_call(net: nn.Module, x: Tensor) -> Tensor:
    """net(x) as a user calls it, in the graph of its own parameters; what forward writes, to x too, is undone."""
    with kept_state(net):
        if any(isinstance(module, torch.jit.ScriptModule) for module in net.modules()):
            return _scripted_call(net, x.clone())
        buffers = _copied_buffers(net)
        return functional_call(net, buffers, (x.clone(),), tie_weights=False) if buffers else net(x.clone())


def _scripted_call(net: nn.Module, x: Tensor) -> Tensor:
    """net(x) of a torch.jit module, whose buffers functional_call cannot exchange: their values are put back."""
    before = [(b, b.clone()) for b in net.buffers()]
    try:
        return net(x)
    finally:
        for buffer, value in before:
            if not torch.equal(buffer, value):
                buffer.copy_(value)


def _copied_buffers(net: nn.Module) -> Params:
    return {name: b.clone() for name, b in net.named_buffers()}


@contextmanager
def own_parameters(net: nn.Module, params: Params) -> Iterator[Params]:
    """The network's own parameters of these names; within the block they hold `params` and require gradients.

    Kernels are proven against plain autograd in them. It needs neither functional_call nor hooks, so it also sees what
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
    """f(params, x) -> V^T net(x), (n, C), with `constants` for the parameters that are not differentiated."""
    return lambda theta, x: selection.read(call(net, {**constants, **theta}, x))


def single_output_function(net: nn.Module, selection: OutputSelection, constants: Params) -> SingleOutput:
    """f(params, x_i) -> V^T net(x_i), (C,), for one sample; `constants` are as for `batch_function`."""
    f = batch_function(net, selection, constants)
    return lambda theta, x_i: f(theta, x_i.unsqueeze(0)).squeeze(0)
