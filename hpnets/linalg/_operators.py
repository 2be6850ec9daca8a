"""A symmetric kernel as solvers see it, stored or not: a shape and products K V."""

import math
from typing import Protocol

import torch
from torch import Tensor

from hpnets.linalg._tiles import tiles

# This many rows of K are converted to float64 at a time; with 100,000 columns they take 0.8 GB.
TILE_ROWS = 1024
# Kernels between two different inputs are far from symmetric; the kernel of one input is symmetric up to rounding.
ASYMMETRY = 1e-3


class SymmetricOperator(Protocol):
    """A symmetric K (rows, rows); its products are as accurate as `dtype`, whatever the dtype of V."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def matmat(self, v: Tensor) -> Tensor:
        """K V (rows, k) for V (rows, k)."""
        ...


class StoredKernel:
    """A stored kernel (N, N) or (N, N, O, O); its products are made in float64, by tiles, without a float64 copy of K.

    Raises ValueError if the kernel is not square and symmetric, or holds NaN or Inf.
    """

    def __init__(self, kernel: Tensor) -> None:
        self._matrix = square(kernel)
        check_symmetric(self._matrix)
        rows = len(self._matrix)
        self.shape, self.dtype, self.device = (rows, rows), self._matrix.dtype, self._matrix.device

    def matmat(self, v: Tensor) -> Tensor:
        """K V (rows, k) in float64."""
        v = v.double()
        return torch.cat([self._matrix[rows].double() @ v for rows in tiles(self.shape[0], TILE_ROWS)])


def as_operator(kernel: Tensor | SymmetricOperator) -> SymmetricOperator:
    """An operator unchanged, or a tensor as a `StoredKernel`; raises ValueError for anything else."""
    rows_of(kernel)
    return StoredKernel(kernel) if isinstance(kernel, Tensor) else kernel


def rows_of(kernel: Tensor | SymmetricOperator) -> int:
    """The number of rows of a kernel, stored or not; ValueError for what is neither a square tensor nor an operator."""
    if isinstance(kernel, Tensor):
        return len(square(kernel))
    if not hasattr(kernel, "matmat"):
        raise ValueError(
            f"the kernel is a {type(kernel).__name__}; allowed: a tensor (N, N) or (N, N, O, O), or an operator with "
            "products, such as NTKOperator"
        )
    return kernel.shape[0]


def product(operator: SymmetricOperator, v: Tensor) -> Tensor:
    """K V in float64, whatever dtype the operator computes in; raises ValueError if it is not finite."""
    return finite_product(operator, v).double()


def finite_product(operator: SymmetricOperator, v: Tensor) -> Tensor:
    """K V in the dtype that the operator computes in; raises ValueError if it is not finite."""
    result = operator.matmat(v)
    if not torch.isfinite(result).all():
        raise ValueError("a product with the kernel holds NaN or Inf")
    return result


def dense(operator: SymmetricOperator) -> Tensor:
    """K (rows, rows) in the operator's dtype, by products with blocks of the identity."""
    rows = operator.shape[0]
    eye = torch.eye(rows, dtype=operator.dtype, device=operator.device)
    return torch.cat([operator.matmat(eye[:, cols]).to(operator.dtype) for cols in tiles(rows, TILE_ROWS)], dim=1)


def square(kernel: Tensor) -> Tensor:
    """K (N, N) unchanged, or K (N, N, O, O) as (N O, N O) with sample-major rows; ValueError for any other shape."""
    shape = tuple(kernel.shape)
    if not kernel.is_floating_point():
        raise ValueError(f"the kernel has dtype {kernel.dtype}; allowed: float32 or float64: kernel.double()")
    if kernel.ndim == 4:
        n, m, o, p = shape
        kernel = kernel.permute(0, 2, 1, 3).reshape(n * o, m * p)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.numel() == 0:
        raise ValueError(f"the kernel has shape {shape}; allowed: (N, N) or (N, N, O, O)")
    return kernel


def check_symmetric(matrix: Tensor) -> None:
    """Raise ValueError if a square matrix holds NaN or Inf, or is asymmetric by more than ASYMMETRY, relatively."""
    parts = tiles(len(matrix), TILE_ROWS)
    largest = [float(matrix[rows].abs().max()) for rows in parts]  # NaN where there is one
    if not all(map(math.isfinite, largest)):
        raise ValueError("the kernel holds NaN or Inf")
    if any(float((matrix[rows] - matrix[:, rows].T).abs().max()) > ASYMMETRY * max(largest) for rows in parts):
        raise ValueError("the kernel is not symmetric: pass the kernel of one set of inputs with itself")
