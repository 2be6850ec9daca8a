"""Plain full-batch gradient descent, as kernels predict it."""

import torch
from torch import Tensor, nn


def descend(net: nn.Module, x: Tensor, y: Tensor, lr: float, steps: int, record: set[int]) -> dict[int, Tensor]:
    """Of 1/(2N) sum (f - y)^2; f(x) (N, 1) after each number of steps in `record`, in order."""
    optimizer = torch.optim.SGD(net.parameters(), lr)
    seen = {}
    for step in range(steps + 1):
        f = net(x)
        if step in record:
            seen[step] = f.detach()
        if step < steps:
            optimizer.zero_grad()
            ((f - y).square().mean() / 2).backward()
            optimizer.step()
    return seen


def descend_from_start(net: nn.Module, x: Tensor, y: Tensor, lr: float, steps: int, record: list[int]) -> list[Tensor]:
    """f(x) - f_0(x) after each number of steps in `record`, of gradient descent on mean (f - f_0 - y)^2."""
    with torch.no_grad():
        start = net(x)
    return [f - start for f in descend(net, x, start + y, 2 * lr, steps, set(record)).values()]


def top_eigenvalue(K: Tensor) -> float:
    """lambda_max of K / n, for K (n, n): descent on mean (f - y)^2 is stable below lr = 1 / lambda_max."""
    return float(torch.linalg.eigvalsh(K.double())[-1] / len(K))
