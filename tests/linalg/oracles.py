"""Independent oracles: the kernel from plain autograd loops, and matrices whose spectra are known."""

import torch
from torch import Tensor, nn


def loop_jacobian(net: nn.Module, x: Tensor) -> Tensor:
    """J (N, O, P) by one backward pass for each sample and output; none of the library's code."""
    params = [p for p in net.parameters() if p.requires_grad]
    rows = []
    for xi in x:
        y = net(xi[None])[0]
        rows.append([torch.cat([g.flatten() for g in torch.autograd.grad(o, params, retain_graph=True)]) for o in y])
    return torch.stack([torch.stack(r) for r in rows])


def loop_kernel(net: nn.Module, x: Tensor, outputs: str | int) -> Tensor:
    """K (rows, rows) of an output mode, sample-major, from `loop_jacobian`."""
    j = loop_jacobian(net, x)
    if outputs == "trace":
        return torch.einsum("iop,jop->ij", j, j)
    if outputs == "sum":
        j = j.sum(1, keepdim=True)
    elif isinstance(outputs, int):
        j = j[:, outputs : outputs + 1]
    j = j.flatten(0, 1)
    return j @ j.T


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
