"""An independent kernel for the tests: the dense Jacobian by loops of torch.autograd.grad, no torch.func, no hooks."""

import torch
from torch import Tensor, nn


def dense_jacobian(net: nn.Module, x: Tensor) -> Tensor:
    """J (N, O, P) over the parameters with requires_grad, one sample and one output at a time."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    rows = []
    for i in range(len(x)):
        y = net(x[i : i + 1])
        for o in range(y.shape[1]):
            grads = torch.autograd.grad(y[0, o], parameters, retain_graph=True, allow_unused=True)
            parts = [
                (torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(grads, parameters, strict=True)
            ]
            rows.append(torch.cat(parts))
    return torch.stack(rows).view(len(x), -1, len(rows[0])).detach()


def dense_kernel(net: nn.Module, x1: Tensor, x2: Tensor | None = None) -> Tensor:
    """K (N1, N2, O, O)."""
    j1 = dense_jacobian(net, x1)
    j2 = j1 if x2 is None else dense_jacobian(net, x2)
    return torch.einsum("iop,jqp->ijoq", j1, j2)


def relative(found: Tensor, truth: Tensor) -> float:
    """max |found - truth| / max |truth|; inf for different shapes."""
    if found.shape != truth.shape:
        return float("inf")
    return float((found - truth).abs().max() / truth.abs().max())
