"""What the kernel refuses, each with what to do about it."""

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import Params, call

_DROPOUT = nn.modules.dropout._DropoutNd


def check_eval_mode(net: nn.Module) -> None:
    """ValueError where a module couples samples or draws at random."""
    for name, module in net.named_modules():
        where = f"{name or 'net'} ({type(module).__name__})"
        draws = isinstance(module, _DROPOUT) and module.p > 0
        if module.training and (draws or isinstance(module, nn.modules.batchnorm._BatchNorm)):
            raise ValueError(f"{where} is in training mode; call net.eval() first")
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise ValueError(f"{where} tracks no statistics, so that it couples samples; allowed: running statistics")


def check_inputs(net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None) -> None:
    """ValueError for parameters or inputs that no exact kernel can be computed of."""
    if not theta:
        raise ValueError("no parameter to differentiate: net has none with requires_grad, or params is empty")
    known = dict(net.named_parameters())
    unknown = [name for name in theta if name not in known]
    if unknown:
        raise ValueError(f"net has no parameter {unknown[0]!r}; see net.named_parameters()")
    dtypes = {p.dtype for p in theta.values()}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        raise ValueError(
            f"parameters have dtype {sorted(map(str, dtypes))}; allowed: all float32 or all float64: net.float()"
        )
    for name, x in (("x1", x1), ("x2", x1 if x2 is None else x2)):
        if x.dtype not in dtypes:
            raise ValueError(
                f"{name} has dtype {x.dtype}; allowed: the parameters' dtype, {dtypes.pop()}; cast tokens in the net"
            )
        if x.ndim < 2 or len(x) == 0:
            raise ValueError(f"{name} has shape {tuple(x.shape)}; allowed: (N, ...) with N >= 1")
    if x2 is not None and x1.shape[1:] != x2.shape[1:]:
        raise ValueError(f"x1 and x2 hold samples of different shapes: {tuple(x1.shape[1:])}, {tuple(x2.shape[1:])}")


def check_output(net: nn.Module, theta: Params, x: Tensor) -> int:
    """O, the width of the output (N, O); ValueError for another shape."""
    y = call(net, theta, x[:2])
    if not isinstance(y, Tensor) or y.ndim != 2 or len(y) != len(x[:2]) or y.dtype != x.dtype:
        found = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"net maps ({len(x[:2])}, ...) to {found}; allowed: a tensor (N, O) of the input's dtype")
    if not torch.isfinite(y).all():
        raise ValueError("net gives outputs that hold NaN or Inf: so would its kernel")
    return y.shape[1]


def check_finite(kernel: Tensor) -> Tensor:
    """The kernel, if it is finite; else ValueError."""
    # A sum is finite unless an entry is not, or unless it overflows: only then is every entry looked at.
    if not torch.isfinite(kernel.sum()):
        wrong = int((~torch.isfinite(kernel)).sum())
        if wrong:
            raise ValueError(f"the kernel holds NaN or Inf: {wrong} of {kernel.numel()} entries")
    return kernel
