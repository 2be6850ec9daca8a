"""The one independent oracle of the tests: the dense Jacobian by plain torch.autograd.grad, no torch.func, no hooks."""

import torch
from torch import Tensor, nn


def dense_jacobian(net: nn.Module, x: Tensor) -> Tensor:
    """J (N, O, P) over the parameters with requires_grad: one forward of the batch, one gradient an output of a sample.

    Never one sample alone: torch's backward is wrong for a batch of one in places (tests/ntk/test_torch_bugs.py).
    """
    parameters = [p for p in net.parameters() if p.requires_grad]
    with torch.enable_grad():
        y = net(x)
    if not y.requires_grad:
        return y.new_zeros(*y.shape, sum(p.numel() for p in parameters))
    rows = [torch.autograd.grad(f, parameters, retain_graph=True, materialize_grads=True) for f in y.flatten()]
    return torch.stack([torch.cat([g.to_dense().flatten() for g in row]) for row in rows]).view(*y.shape, -1)


def dense_kernel(net: nn.Module, x1: Tensor, x2: Tensor | None = None) -> Tensor:
    """K (N1, N2, O, O)."""
    j1 = dense_jacobian(net, x1)
    j2 = j1 if x2 is None else dense_jacobian(net, x2)
    return torch.einsum("iop,jqp->ijoq", j1, j2)


def select(kernel: Tensor, outputs: object) -> Tensor:
    """What an output selection makes of the full kernel (N1, N2, O, O)."""
    if isinstance(outputs, Tensor):
        return torch.einsum("ijop,oc,pd->ijcd", kernel, outputs, outputs)
    if isinstance(outputs, tuple):
        return kernel[:, :, outputs][:, :, :, outputs]
    if isinstance(outputs, int):
        return kernel[:, :, outputs, outputs]
    if outputs == "trace":
        return kernel.diagonal(dim1=2, dim2=3).sum(-1)
    return kernel if outputs == "full" else kernel.sum((2, 3))


def as_matrix(kernel: Tensor) -> Tensor:
    """(rows, rows), sample-major, of a kernel (N, N) or (N, N, C, C)."""
    if kernel.ndim == 2:
        return kernel
    return kernel.permute(0, 2, 1, 3).reshape(kernel.shape[0] * kernel.shape[2], -1)


def relative(result: Tensor, truth: Tensor) -> float:
    """max |result - truth| / max |truth|, or max |result| for a truth of zeros; inf for different shapes or NaN."""
    if result.shape != truth.shape or not torch.isfinite(result).all():
        return float("inf")
    error, scale = float((result - truth).abs().max()), float(truth.abs().max())
    return error / scale if scale else error
