"""The points an attack may take: a ball around each sample, within the box of the data."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.attacks._random import normal, uniform
from hpnets.validate import require, require_shape

Box = tuple[Tensor, Tensor]  # the least and the greatest inputs, that broadcast to (N, *shape)


@dataclass(frozen=True)
class Ball:
    """The moves d (N, *shape) of samples x, as fractions of each feature's range, of |d|_inf or |d|_2 <= eps.

    A point is x + range * d. It stays between the least and the greatest input of the box, or of the sample itself
    where that lies outside.
    """

    x: Tensor
    range: Tensor
    low: Tensor
    high: Tensor
    eps: float
    norm: str

    @classmethod
    def around(cls, x: Tensor, box: Box, eps: float, norm: str) -> "Ball":
        """The ball around x (N, *shape); ValueError for a box of another shape, and for an eps beyond the range."""
        low, high = (side.to(x) for side in box)
        for name, side in (("box[0]", low), ("box[1]", high)):
            sizes = zip(reversed(side.shape), reversed(x.shape), strict=False)
            fits = side.ndim <= x.ndim and all(size in (1, of) for size, of in sizes)
            require_shape(fits, name, side, f"one that broadcasts to {tuple(x.shape)}")
        require(bool((low <= high).all()), "box", "one of a range below 0", "the least and the greatest inputs")
        most = 1.0 if norm == "linf" else x[0].numel() ** 0.5
        require(0 <= eps <= most, "eps", eps, f"0 to {most:.4g}, the diameter of the data's box in {norm}")
        return cls(x, (high - low).expand_as(x), torch.minimum(low, x), torch.maximum(high, x), eps, norm)

    def points(self, d: Tensor) -> Tensor:
        """The inputs (N, *shape) that the moves lead to."""
        return (self.x + self.range * d).clamp(self.low, self.high)

    def project(self, d: Tensor) -> Tensor:
        """The moves, shortened to the ball and to the box."""
        if self.norm == "linf":
            d = d.clamp(-self.eps, self.eps)
        else:
            d = d * (self.eps / self._lengths(d).clamp_min(self.eps)) if self.eps else torch.zeros_like(d)
        # Each sample is in its box, so that what the box cuts off makes a move shorter: it stays in the ball.
        d = torch.where(self.range > 0, d, 0)
        size = torch.where(self.range > 0, self.range, 1)
        return d.clamp((self.low - self.x) / size, (self.high - self.x) / size)

    def climbed(self, d: Tensor, gradient: Tensor, size: float) -> Tensor:
        """The moves after the steepest step of `size` (a fraction of eps) along the gradient in the inputs."""
        uphill = gradient * self.range
        if self.norm == "linf":
            return self.project(d + size * self.eps * uphill.sign())
        length = self._lengths(uphill)
        return self.project(d + size * self.eps * uphill / torch.where(length > 0, length, 1))

    def random(self, seed: int, stream: int) -> Tensor:
        """Uniform moves in the ball, cut off at the box; each a function of (seed, stream, sample)."""
        if self.norm == "linf":
            d = self.eps * (2 * uniform(self.x, seed, 4 * stream) - 1)
        else:
            drawn = normal(self.x, seed, 2 * stream)
            share = uniform(self.x, seed, 4 * stream + 2).flatten(1)[:, 0].pow(1 / self.x[0].numel())
            d = self.eps * drawn * share.view(-1, *(1,) * (self.x.ndim - 1)) / self._lengths(drawn)
        return self.project(d.to(self.x))

    def _lengths(self, d: Tensor) -> Tensor:
        """|d|_2 of each sample, (N, 1, ..)."""
        return d.flatten(1).norm(dim=1).view(-1, *(1,) * (d.ndim - 1))
