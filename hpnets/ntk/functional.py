"""A network as a pure function f(params, x_i) -> (outputs,) of one sample, and the arithmetic it runs in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

Params = dict[str, Tensor]
SingleOutput = Callable[[Params, Tensor], Tensor]


def trainable_parameters(net: nn.Module) -> Params:
    """Detached parameters with requires_grad, by name; a tied weight appears once, under its first name."""
    return {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}


def single_output_function(net: nn.Module, params: Params, x: Tensor, outputs: str | int) -> SingleOutput:
    """f(params, x_i): the outputs that `outputs` asks for, (O,) for "full" and "trace", (1,) for "sum" and an int.

    Raises ValueError where `net` couples samples or draws at random (training mode), does not give (N, O), or lacks
    the logit asked for.
    """
    _check_mode(net)
    width = _output_width(net, params, x)
    if isinstance(outputs, bool) or not (outputs in ("full", "trace", "sum") or isinstance(outputs, int)):
        raise ValueError(f"outputs is {outputs!r}; allowed: 'full', 'trace', 'sum' or the index of a logit")
    if isinstance(outputs, int) and not 0 <= outputs < width:
        raise ValueError(f"outputs is {outputs}; the net has logits 0 to {width - 1}")

    def f(theta: Params, xi: Tensor) -> Tensor:
        y = functional_call(net, theta, (xi.unsqueeze(0),)).squeeze(0)
        if outputs == "sum":
            return y.sum(0, keepdim=True)
        return y[outputs : outputs + 1] if isinstance(outputs, int) else y

    return f


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """No autocast and no TF32: both would cost the kernel more digits than its drift has."""
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = matmul.fp32_precision, conv.fp32_precision
    matmul.fp32_precision = conv.fp32_precision = "ieee"
    try:
        with torch.autocast(device.type, enabled=False), torch.no_grad():
            yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before


def _check_mode(net: nn.Module) -> None:
    for name, module in net.named_modules():
        if module.training and isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
            raise ValueError(f"{name or 'net'} ({type(module).__name__}) is in training mode; call net.eval() first")


def _output_width(net: nn.Module, params: Params, x: Tensor) -> int:
    y = functional_call(net, params, (x[:1],))
    if not isinstance(y, Tensor) or y.ndim != 2 or len(y) != 1:
        shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"net maps (1, ...) to {shape}; allowed: a tensor (N, O)")
    return y.shape[1]
