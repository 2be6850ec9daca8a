"""Checks of networks, parameters, inputs and outputs; each refusal says what to do about it."""

import torch
from torch import Tensor, nn

from hpnets.ntk import _advice as advice
from hpnets.ntk._failures import RefusalError
from hpnets.ntk._functional import Params, own_parameters, plain_call
from hpnets.ntk._reach import check_reach
from hpnets.ntk._tiling import pair

_DROPOUT = nn.modules.dropout._DropoutNd


def check_eval_mode(net: nn.Module) -> None:
    """Raise ValueError if a module couples samples or draws at random."""
    for name, module in net.named_modules():
        draws = isinstance(module, _DROPOUT) and module.p > 0
        couples = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if not draws and not couples:
            continue
        where = f"{name or 'net'} ({type(module).__name__})"
        if module.training:
            raise ValueError(f"{where} is in train mode; allowed: eval mode, as net.eval() sets it")
        if couples and module.running_mean is None:
            raise ValueError(f"{where} tracks no statistics, so that it couples samples; allowed: running statistics")


def check_types(params: object, x1: object, x2: object = None) -> None:
    """Raise ValueError for parameters that are not a dict of tensors, or inputs that are not tensors."""
    problems = [] if params is None else [advice.for_params(params)]
    problems += [advice.for_input("x1", x1), "" if x2 is None else advice.for_input("x2", x2)]
    for problem in filter(None, problems):
        raise ValueError(problem)


def check_inputs(net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None) -> None:
    """Raise ValueError for parameters or inputs of which no exact kernel can be computed."""
    dtype = _check_params(net, theta)
    for name, x in (("x1", x1), ("x2", x1 if x2 is None else x2)):
        if x.ndim < 2 or len(x) == 0:
            raise ValueError(f"{name} has shape {tuple(x.shape)}; allowed: (N, ...) with N >= 1{_axis(name, x)}")
        if x.dtype != dtype:
            raise ValueError(_blame_dtype(net, theta, name, x))
        p = next(iter(theta.values()))
        if x.device != (there := p.device):
            raise ValueError(f"{name} is on {x.device}; allowed: {there}, where the parameters are: {name}.to({there})")
    if x2 is not None and x1.shape[1:] != x2.shape[1:]:
        raise ValueError(f"x2 holds samples of shape {tuple(x2.shape[1:])}; allowed: {tuple(x1.shape[1:])}, as x1")


def _check_params(net: nn.Module, theta: Params) -> torch.dtype:
    """The dtype of the parameters; ValueError if the net lacks one, or if they have several dtypes or devices."""
    if not theta:
        raise ValueError("no parameter to differentiate: net has none with requires_grad, or params is empty")
    known = dict(net.named_parameters())
    for name, p in theta.items():
        if name not in known:
            raise ValueError(f"net has no parameter {name!r}; see net.named_parameters()")
        _check_param(name, p, known[name])
    dtypes, devices = {p.dtype for p in theta.values()}, {str(p.device) for p in theta.values()}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        raise ValueError(
            f"parameters have dtype {sorted(map(str, dtypes))}; allowed: all float32 or all float64: net.float()"
        )
    if len(devices) > 1:
        raise ValueError(f"parameters are on {', '.join(sorted(devices))}; allowed: one device: net.to(...)")
    return dtypes.pop()


def _check_param(name: str, p: Tensor, own: Tensor) -> None:
    """Raise ValueError if p, given for the parameter `own`, differs in shape or device, is complex, or lacks values."""
    if p.is_complex():
        raise ValueError(
            f"parameter {name!r} has dtype {p.dtype}; allowed: float32 or float64: hold it as real pairs, "
            "torch.view_as_real(p), and take torch.view_as_complex of them in forward"
        )
    if p.is_meta:
        raise ValueError(f"parameter {name!r} is on the meta device; allowed: one with values: net.to_empty(...)")
    if p.shape != own.shape:
        raise ValueError(f"params[{name!r}] has shape {tuple(p.shape)}; allowed: {tuple(own.shape)}")
    if p.device != own.device:
        raise ValueError(f"params[{name!r}] is on {p.device}; allowed: {own.device}, as the net's: p.to({own.device})")


def _blame_dtype(net: nn.Module, theta: Params, name: str, x: Tensor) -> str:
    """The message for dtypes that differ: it blames `params` if the input agrees with the net, else the input."""
    known, (first, p) = dict(net.named_parameters()), next(iter(theta.items()))
    if x.dtype == known[first].dtype:
        return f"params[{first!r}] has dtype {p.dtype}; allowed: {x.dtype}, that of net and {name}: p.to({x.dtype})"
    return advice.for_dtype(name, x, p.dtype)


def _axis(name: str, x: Tensor) -> str:
    """Advice on how a tensor with one axis becomes samples; "" for any other."""
    return f": {name}[None] for one sample, {name}[:, None] for samples of one number" if x.ndim == 1 else ""


def check_output(net: nn.Module, theta: Params, x: Tensor) -> int:
    """The width O of the output (N, O); ValueError for another shape, and for parameters that are out of reach."""
    x, n = pair(x), 2
    with own_parameters(net, theta), torch.enable_grad():
        y = plain_call(net, x)
    if not isinstance(y, Tensor) or y.ndim != 2 or len(y) != n:
        raise ValueError(f"net maps ({n}, ...) to {advice.for_output(y, n)}")
    if y.layout is not torch.strided:
        raise ValueError(
            f"net maps to {y.layout}; allowed: a dense tensor: a module around net that returns y.to_dense()"
        )
    if y.dtype != x.dtype:
        raise ValueError(f"net maps {x.dtype} to {advice.for_output_dtype(y, x.dtype)}")
    if not torch.isfinite(y).all():
        where = "net gives outputs that hold" if torch.isfinite(x).all() else "x1 holds"
        raise ValueError(f"{where} NaN or Inf: so would its kernel")
    check_reach(net, y)
    return y.shape[1]


def check_rows(y: Tensor, n: int) -> None:
    """Raise RefusalError if the outputs y are not a row for each of n samples, of which `check_output` tries two."""
    if len(y) != n:
        raise RefusalError(f"net maps ({n}, ...) to {advice.for_output(y, n)}")


def check_finite(kernel: Tensor) -> Tensor:
    """Return the kernel if it is finite, else raise ValueError."""
    # The sum is finite unless an entry is not or the sum overflows; only then every entry is looked at.
    if not torch.isfinite(kernel.sum()):
        wrong = int((~torch.isfinite(kernel)).sum())
        if wrong:
            raise ValueError(f"the kernel holds NaN or Inf: {wrong} of {kernel.numel()} entries")
    return kernel
