"""Complex numbers, Fourier transforms and linear algebra."""

import torch
from torch import Tensor, nn

from tests.odd_modules.base import NO_FORWARD_MODE, odd


@odd()
class ComplexFromPairs(nn.Module):
    """Complex weights stored as real pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.v = nn.Parameter(torch.randn(4, 5, 2)), nn.Parameter(torch.randn(5, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        h = x.to(torch.complex128 if x.dtype == torch.float64 else torch.complex64) @ torch.view_as_complex(self.w)
        y = (h * h) @ torch.view_as_complex(self.v)
        return y.real + y.imag


@odd(refused="complex")
class ComplexParameter(nn.Module):
    """A complex parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 3, dtype=torch.complex128))

    def to(self, *args: object, **options: object) -> "ComplexParameter":
        """As it is: another dtype would make it real."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(self.w.dtype) @ self.w).abs()


@odd((8,))
class Fourier(nn.Module):
    """A filter between a Fourier transform and its inverse."""

    def __init__(self) -> None:
        super().__init__()
        self.filter, self.out = nn.Parameter(torch.randn(5)), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(torch.fft.irfft(torch.fft.rfft(x) * self.filter, 8)))


class Solved(nn.Module):
    """A matrix (I + W / 4) that linear algebra works on, and a read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.out = nn.Parameter(torch.randn(4, 4)), nn.Linear(4, 3)

    @property
    def matrix(self) -> Tensor:
        """I + W / 4."""
        return torch.eye(4, dtype=self.w.dtype, device=self.w.device) + self.w / 4


@odd(may_refuse=NO_FORWARD_MODE)
class LinearSolve(Solved):
    """A raw weight in a linear system."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.linalg.solve(self.matrix, x[..., None])[..., 0])


@odd(may_refuse=NO_FORWARD_MODE)
class BatchedSolve(Solved):
    """A system of its own for each sample."""

    def forward(self, x: Tensor) -> Tensor:
        matrices = self.matrix + torch.diag_embed(x.square())
        return self.out(torch.linalg.solve(matrices, x[..., None])[..., 0])


@odd(may_refuse=NO_FORWARD_MODE)
class Determinants(Solved):
    """logdet, slogdet and det of a matrix for each sample."""

    def forward(self, x: Tensor) -> Tensor:
        a = self.matrix
        spread = a @ a.T + torch.diag_embed(x.square())
        logs = torch.stack([torch.logdet(spread), torch.linalg.slogdet(spread + 1)[1]], 1)
        return self.out(x) * logs[:, :1] + logs[:, 1:] + torch.linalg.det(spread / 4)[:, None]


@odd(may_refuse=NO_FORWARD_MODE)
class Decompositions(Solved):
    """Inverse, Cholesky factor, eigenvalues and exponential of a matrix."""

    def forward(self, x: Tensor) -> Tensor:
        spread = self.matrix @ self.matrix.T
        lower, values = torch.linalg.cholesky(spread), torch.linalg.eigvalsh(spread)
        h = x @ torch.linalg.inv(self.matrix) @ torch.matrix_exp(self.w / 4)
        return self.out(torch.tanh(h @ lower) * values)
