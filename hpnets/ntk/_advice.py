"""Advice for messages: what to do about parameters, inputs and outputs that have no kernel as they are."""

import torch
from torch import Tensor


def for_params(params: object) -> str:
    """What to do about `params` that are not a dict of tensors by name; "" if they are one."""
    if not isinstance(params, dict):
        return f"params is a {kind(params)}; allowed: a dict of tensors by name: dict(net.named_parameters())"
    wrong = next((name for name, p in params.items() if not isinstance(p, Tensor)), None)
    if wrong is None:
        return ""
    return f"params[{wrong!r}] is a {kind(params[wrong])}; allowed: a tensor: torch.as_tensor(...)"


def for_input(name: str, x: object) -> str:
    """What to do about an input that is not a strided tensor; "" if it is one."""
    if isinstance(x, Tensor):
        if x.is_meta:
            return f"{name} is on the meta device; allowed: a tensor with values"
        return "" if x.layout == torch.strided else f"{name} is {x.layout}; allowed: a dense tensor: {name}.to_dense()"
    several = isinstance(x, dict) or (isinstance(x, list | tuple) and any(isinstance(part, Tensor) for part in x))
    how = "one that holds all inputs, which a module around net takes apart" if several else f"torch.as_tensor({name})"
    return f"{name} is a {kind(x)}; allowed: one tensor (N, ...): {how}"


def for_dtype(name: str, x: Tensor, allowed: torch.dtype) -> str:
    """What to do about an input whose dtype differs from the parameters' dtype."""
    what = f"{name} has dtype {x.dtype}; allowed: {allowed}, the parameters' dtype:"
    if x.is_complex():
        return f"{what} pass torch.view_as_real({name}), and take it back by torch.view_as_complex inside the net"
    if not x.is_floating_point():
        return f"{what} pass {name}.to({allowed}), and cast it back inside the net where it holds tokens: x.long()"
    double = " or net.double()" if x.dtype == torch.float64 else ""
    return f"{what} {name}.to({allowed}){double}"


def for_output(y: object, n: int) -> str:
    """What to do about outputs for n samples that are not a tensor (n, O)."""
    if not isinstance(y, Tensor):
        return f"a {kind(y)}; allowed: a tensor (N, O): a module around net that returns the logits alone"
    what = f"{y.dtype} {tuple(y.shape)}; allowed: a tensor (N, O)"
    if y.ndim == 0 or len(y) != n:
        return f"{what}, one row a sample in the order of the inputs, without a mean or sum over them"
    if y.ndim == 1:
        return f"{what}: a module around net that returns y[:, None]"
    return f"{what}: a module around net that returns y.flatten(1)"


def for_output_dtype(y: Tensor, allowed: torch.dtype) -> str:
    """What to do about outputs whose dtype differs from the inputs' dtype."""
    how = "torch.view_as_real(y).flatten(1)" if y.is_complex() else f"y.to({allowed})"
    return f"{y.dtype} {tuple(y.shape)}; allowed: the input's dtype, {allowed}: a module around net that returns {how}"


def kind(value: object) -> str:
    """The name of a value's class, as messages call it."""
    return type(value).__name__
