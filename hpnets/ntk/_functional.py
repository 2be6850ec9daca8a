"""A network as a pure function of its parameters, and the arithmetic and the state that it runs in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from hpnets.ntk._output_selection import OutputSelection

Params = dict[str, Tensor]
SingleOutput = Callable[[Params, Tensor], Tensor]
BatchFunction = Callable[[Params, Tensor], Tensor]


def eager(net: nn.Module) -> nn.Module:
    """The plain module inside torch.compile and DataParallel wrappers; ValueError for FSDP, whose weights are split."""
    if not isinstance(net, nn.Module):
        raise ValueError(f"net is a {type(net).__name__}; allowed: an nn.Module, which holds the parameters")
    while True:
        if isinstance(net, nn.parallel.DistributedDataParallel | nn.DataParallel):
            net = net.module
        elif isinstance(getattr(net, "_orig_mod", None), nn.Module):
            net = net._orig_mod  # type: ignore[assignment]
        else:
            break
    sharded = any(type(m).__name__ in ("FullyShardedDataParallel", "FSDPModule") for m in net.modules())
    if sharded or any(type(p).__name__ == "DTensor" for p in net.parameters()):
        raise ValueError("net is sharded (FSDP): its layers hold parts of weights; pass an unsharded copy of it")
    return net


def plain_name(name: str) -> str:
    """A parameter's name without the parts that compiling adds."""
    return name.replace("_orig_mod.", "")


def trainable_parameters(net: nn.Module) -> Params:
    """Detached parameters with requires_grad, by name; a tied weight appears once, under its first name."""
    return {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}


def call(net: nn.Module, params: Params, x: Tensor) -> Tensor:
    """net(x) with `params` in place and the others constant, on copies of its buffers: what it writes is forgotten.

    This differs from functional_call alone, which leaves a plain tensor in a network that holds one module under two
    names: here each place of a parameter is named once, and tied places get the same value.
    """
    first = {id(p): name for name, p in net.named_parameters()}
    state: Params = {name: b.clone() for name, b in net.named_buffers()}
    for prefix, module in net.named_modules():
        for key, p in module.named_parameters(recurse=False, remove_duplicate=False):
            name = first[id(p)]
            state[f"{prefix}.{key}" if prefix else key] = params[name] if name in params else p.detach()
    return functional_call(net, state, (x,), tie_weights=False)


def batch_function(net: nn.Module, selection: OutputSelection, constants: Params) -> BatchFunction:
    """f(params, x) -> V^T net(x), (n, C), with `constants` for the parameters that are not differentiated."""
    return lambda theta, x: selection.read(call(net, {**constants, **theta}, x))


def single_output_function(net: nn.Module, selection: OutputSelection, constants: Params) -> SingleOutput:
    """f(params, x_i) -> V^T net(x_i), (C,), of one sample; constants as for `batch_function`."""
    f = batch_function(net, selection, constants)
    return lambda theta, x_i: f(theta, x_i.unsqueeze(0)).squeeze(0)


@contextmanager
def undisturbed(net: nn.Module, device: torch.device) -> Iterator[None]:
    """No autocast and no TF32 (both cost more digits than a kernel's drift has), no compiled code, the RNG put back."""
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = matmul.fp32_precision, conv.fp32_precision
    compiled = any(m._compiled_call_impl is not None or hasattr(m, "_orig_mod") for m in net.modules())
    without_compiler = torch.compiler.set_stance("force_eager") if compiled else nullcontext()
    matmul.fp32_precision = conv.fp32_precision = "ieee"
    try:
        with (
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            torch.autocast(device.type, enabled=False),
            torch.no_grad(),
            without_compiler,
            # The fused attention kernels have neither forward-mode derivatives nor batching rules.
            sdpa_kernel(SDPBackend.MATH),
        ):
            yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before
