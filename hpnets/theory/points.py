"""Points as the first layer of a limit: deterministic features with S = x . x' / d and T = 0."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.theory.checks import check_covariance, check_points
from hpnets.theory.moments import Moments

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Points:
    """Two sets of points, (N1, *shape) and (N2, *shape), before a network's first layer."""

    x_1: Tensor
    x_2: Tensor

    def map(self, f: Map) -> "Points":
        """f applied to both sets."""
        return Points(f(self.x_1), f(self.x_2))

    def moments(self) -> Moments:
        """The moments of points (N, channels, *grid) as features over the positions of the grid."""
        d, grid = self.x_1.shape[1], tuple(self.x_1.shape[2:])
        a, b = (x.reshape(*x.shape[:2], -1) for x in (self.x_1, self.x_2))
        S = torch.einsum("icp,jcq->ijpq", a, b.conj()) / d
        return Moments(S, torch.zeros_like(S), a.mT @ a.conj() / d, b.mT @ b.conj() / d, grid=grid)

    def flat(self) -> Moments:
        """The moments of points (N, *shape) as vectors."""
        return self.map(lambda x: x.flatten(1)).moments()

    def complex(self, halves: bool) -> Moments:
        """The moments of points as complex vectors: with `halves` the second half of x is the imaginary part."""

        def paired(x: Tensor) -> Tensor:
            real, imaginary = x.flatten(1).chunk(2, dim=1) if halves else (x.flatten(1), torch.zeros_like(x).flatten(1))
            return torch.complex(real, imaginary)

        return self.map(paired).moments()


def inputs(x1: Tensor, x2: Tensor | None = None) -> Moments:
    r"""Points (N, d), or images (N, channels, *grid), as the input of a limit: S = x . x' / d, T = 0, in float64.

    x2: None means x1. For images S is the mean over channels, for each pair of positions.

    Raises ValueError for integer or half precision points, other shapes or values that are not finite.
    """
    check_points(x1, x2)
    x1 = x1.double()
    return Points(x1, x1 if x2 is None else x2.double()).moments()


def from_covariance(S: Tensor) -> Moments:
    r"""The input of a limit, given by its covariance S (N, N) alone, symmetric and positive semi-definite; T = 0.

    Raises ValueError for a matrix that is not square, or, beyond rounding, not symmetric or with a negative eigenvalue.
    """
    check_covariance(S)
    S = S.double()
    own = S.diagonal()[:, None, None]
    return Moments(S[..., None, None], torch.zeros_like(S)[..., None, None], own, own)
