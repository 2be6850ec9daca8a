"""The reference kernel by plain autograd, one (sample, output) after another, on the whole batch in grad mode."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


def loop_jacobian(net: nn.Module, x: Tensor) -> Tensor:
    """J (N, O, P), J[i, o, :] = d net(x)[i, o] / d theta, theta the parameters with requires_grad in their order."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    with torch.enable_grad(), with_backward_passes(net):
        y = net(x)
        J = torch.empty(*y.shape, sum(p.numel() for p in parameters), dtype=parameters[0].dtype, device=y.device)
        for row, output in zip(J.flatten(0, 1), y.flatten(), strict=True):
            # Each row goes directly to its place, so that J is never held twice.
            torch.cat(_gradients(output, parameters), out=row)
    return J


@contextmanager
def with_backward_passes(net: nn.Module) -> Iterator[None]:
    """Leave cuDNN if the net has recurrent layers, for which it has no backward pass in eval mode."""
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = before and not any(isinstance(m, nn.RNNBase) for m in net.modules())
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


def _gradients(output: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    gradients = torch.autograd.grad(output, parameters, retain_graph=True, allow_unused=True)
    zeros = (torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True))
    return [g.flatten() for g in zeros]


def contract(jacobian: Tensor, trace: bool = False) -> Tensor:
    """K[i, j, o, p] = sum_q J[i, o, q] J[j, p, q]; with `trace`, its sum over o = p, (N, N)."""
    if trace:
        return jacobian.flatten(1) @ jacobian.flatten(1).T
    rows = jacobian.flatten(0, 1)
    shape = jacobian.shape[:2]
    return (rows @ rows.T).unflatten(0, shape).unflatten(2, shape).transpose(1, 2)


def largest_error(kernel: Tensor, right: Tensor) -> float:
    """The largest |K_ab - R_ab| / sqrt(R_aa R_bb) over all rows a, b; in this unit no entry of R exceeds 1."""
    kernel, right = _rows(kernel), _rows(right)
    norms = right.diagonal().clamp_min(0).sqrt()
    bound = (norms[:, None] * norms).clamp_min(torch.finfo(right.dtype).tiny)
    return float(((kernel - right).abs() / bound).max())


def precision(net: nn.Module, x: Tensor) -> str:
    """The precision inside a float64 net: "float32" if it casts inside, as some attention layers do, else "float64"."""
    with torch.no_grad(), _Dtypes() as seen:
        copy.deepcopy(net)(x)
    return "float32" if torch.float32 in seen.dtypes else "float64"


class _Dtypes(TorchDispatchMode):
    """Collects the dtypes of all tensors that operations return."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.dtypes |= {y.dtype for y in torch.utils._pytree.tree_leaves(result) if isinstance(y, Tensor)}
        return result


def _rows(kernel: Tensor) -> Tensor:
    """K (N, N, O, O) as (N O, N O), or K (N, N) unchanged."""
    return kernel if kernel.dim() == 2 else kernel.transpose(1, 2).flatten(2).flatten(0, 1)
