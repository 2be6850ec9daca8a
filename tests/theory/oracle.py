"""The formulas that the theory is held to, written from the papers alone, and finite kernels by autograd alone."""

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap


def points(n: int, *shape: int, seed: int = 0) -> Tensor:
    """n normal points in float64."""
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def arc_cosine(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """k_0 and k_1 of ReLU features of w ~ N(0, I), by the angle."""
    a, b = x.norm(dim=1)[:, None], y.norm(dim=1)[None]
    cosine = ((x @ y.T) / (a * b)).clamp(-1, 1)
    theta = torch.arccos(cosine)
    if x is y:
        theta.fill_diagonal_(0), cosine.fill_diagonal_(1)
    k_0 = (math.pi - theta) / (2 * math.pi)
    return k_0, a * b * (torch.sin(theta) + (math.pi - theta) * cosine) / (2 * math.pi)


def pnn_ntk(x: Tensor, y: Tensor, N: int) -> Tensor:
    """2 [k_1^N + N <x, x'> k_0 k_1^(N-1)]."""
    k_0, k_1 = arc_cosine(x, y)
    return 2 * (k_1**N + N * (x @ y.T) * k_0 * k_1 ** (N - 1))


def pnn_skip_ntk(x: Tensor, y: Tensor, N: int) -> Tensor:
    """2 [k_1 Q^(N-1) + <x, x'> k_0 Q^(N-1) + (N-1) k_1 <x, x'> k_0 Q^(N-2)], Q = 1 + (|x|+|x'|)/sqrt(2 pi) + k_1."""
    k_0, k_1 = arc_cosine(x, y)
    Q = 1 + (x.norm(dim=1)[:, None] + y.norm(dim=1)[None]) / math.sqrt(2 * math.pi) + k_1
    inner = x @ y.T
    return 2 * (
        k_1 * Q ** (N - 1) + inner * k_0 * Q ** (N - 1) + (N - 1) * k_1 * inner * k_0 * Q ** (N - 2 if N > 1 else 0)
    )


def jacobian_kernel(net: nn.Module, x: Tensor, weights: dict[str, float]) -> Tensor:
    """sum_p var_p J_p J_p^T of the first output."""
    theta = {name: p.detach() for name, p in net.named_parameters()}
    J = vmap(jacrev(lambda t, p: functional_call(net, t, (p[None],))[0, 0]), (None, 0))(theta, x)
    return sum((weights[k] * j.flatten(1) @ j.flatten(1).T for k, j in J.items()), torch.zeros(len(x), len(x)))
