"""Whether a kernel on complex vectors sees more of two of them than the real part of their inner product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Witness:
    """The normalised kernel of two complex vectors for each imaginary part of their inner product, and its spread."""

    imaginary: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def spread(self) -> float:
        """The greatest value less the least: 0 for a kernel that is blind to Im <z, z'>."""
        return max(self.values) - min(self.values)


def complexity_witness(
    kernel: Callable[[Tensor], Tensor],
    dim: int,
    real: float = 0.3,
    imaginary: Sequence[float] = (0.0, 0.4, 0.8),
) -> Witness:
    r"""How far a kernel T moves with the imaginary part of <z, z'> while the real part and both norms stay.

        w(s) = T(z, z'_s) / sqrt(T(z, z) T(z'_s, z'_s)),   spread = max_s w(s) - min_s w(s)
        z = d^1/2 e_1,   z'_s = d^1/2 ((r - is) e_1 + (1 - r^2 - s^2)^1/2 e_2),   <z, z'_s> / d = r + is

    The kernel of a real network on [Re z; Im z] with Gaussian weights has spread 0 at infinite width, whatever its
    activation: it sees |z|, |z'| and Re <z, z'> only. For a kernel that is the same in every unitary frame, as of
    Gaussian complex weights, the spread says this of all pairs of vectors; else average it over frames or networks.

    kernel: maps float64 points (n, 2 dim), [Re z; Im z], to the kernel (n, n), such as `lambda x: limit_kernel(net,
    x).ntk`. real, imaginary: r and each s. dim: d.

    Raises ValueError for a dim < 2, fewer than two imaginary parts, r^2 + s^2 > 1, a kernel of another shape, and a
    kernel with a diagonal that is not > 0.
    """
    _check_parts(dim, real, imaginary)
    K = kernel(_points(dim, real, imaginary)).detach().double()
    n, diagonal = len(imaginary) + 1, K.diagonal()
    if K.shape != (n, n):
        raise ValueError(f"the kernel's shape is {tuple(K.shape)}; allowed: {(n, n)}, a row for each of {n} points")
    if not bool((diagonal > 0).all()):
        raise ValueError(f"the kernel's least diagonal entry is {float(diagonal.min())}; allowed: above 0")
    values = K[0, 1:] / (diagonal[0] * diagonal[1:]).sqrt()
    return Witness(tuple(imaginary), tuple(values.tolist()))


def _check_parts(dim: int, real: float, imaginary: Sequence[float]) -> None:
    if dim < 2:
        raise ValueError(f"dim is {dim}; allowed: >= 2")
    if len(set(imaginary)) < 2:
        raise ValueError(f"imaginary is {imaginary}; allowed: at least two different numbers")
    largest = real**2 + max(s * s for s in imaginary)
    if not largest <= 1:
        raise ValueError(f"real^2 + imaginary^2 is {largest}; allowed: at most 1, that of two vectors of one norm")


def _points(dim: int, real: float, imaginary: Sequence[float]) -> Tensor:
    """[Re z; Im z] of z and of each z'_s, (1 + len(imaginary), 2 dim)."""
    x = torch.zeros(1 + len(imaginary), 2 * dim, dtype=torch.float64)
    x[0, 0] = 1
    for i, s in enumerate(imaginary, 1):
        x[i, 0], x[i, 1], x[i, dim] = real, max(0.0, 1 - real**2 - s**2) ** 0.5, -s
    return dim**0.5 * x
