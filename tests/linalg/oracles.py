"""Matrices whose spectra are known, and nets whose kernel the oracle of tests/ntk gives as a matrix."""

import torch
from torch import Tensor, nn

from tests.ntk.oracle import as_matrix, dense_kernel, select


def loop_kernel(net: nn.Module, x: Tensor, outputs: str | int) -> Tensor:
    """K (rows, rows) of an output selection, sample-major."""
    return as_matrix(select(dense_kernel(net, x), outputs))


def with_eigenvalues(values: Tensor, seed: int = 0) -> Tensor:
    """A symmetric float64 matrix of these eigenvalues in a random basis."""
    generator = torch.Generator().manual_seed(seed)
    n = len(values)
    q = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))[0]
    k = (q * values.double()) @ q.T
    return (k + k.T) / 2


def power_law(n: int, exponent: float) -> Tensor:
    """k^-exponent for k = 1..n, float64."""
    return torch.arange(1, n + 1, dtype=torch.float64) ** -exponent


def small_net(dtype: torch.dtype = torch.float64, outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, outputs)).to(dtype)


def conv_net(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2)]
    return nn.Sequential(*layers, nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)).to(dtype)


class Product(nn.Module):
    """y = C (g * U_1 x * U_2 x + U_1 x - U_2 x): a Hadamard product, a raw parameter, a tied weight, a module twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.u1, self.u2, self.u3, self.c = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 3)
        self.gain = nn.Parameter(torch.randn(8))
        self.u3.weight = self.u1.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.gain * self.u1(x) * self.u2(x) + self.u3(x) + self.u2(-x))
