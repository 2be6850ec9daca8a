"""The linear nodes of a limit: layers of infinitely many Gaussian weights, pooling, normalisation."""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.theory.moments import Moments, fresh, rescale, translate
from hpnets.validate import finite, positive

Linear = Callable[[Tensor], Tensor]


def mapped(h: Moments, f: Linear, mean: Linear, grid: tuple[int, ...]) -> Moments:
    """The moments after a fixed linear map of positions, given as f on (..., P, P) and as `mean` on (N, P)."""
    means = h.mean and (mean(h.mean[0]), mean(h.mean[1]))
    return replace(h, S=f(h.S), T=f(h.T), S_1=f(h.S_1), S_2=f(h.S_2), mean=means, grid=grid)


def _weighted(h: Moments, w: float, b: float) -> Moments:
    """S <- w S + b, T <- w T + S (the new S): a layer of new weights over positions that are already summed."""
    positive("weight", w), finite("bias", b, minimum=0)
    S = w * h.S + b
    return Moments(S, torch.add(S, h.T, alpha=w), w * h.S_1 + b, w * h.S_2 + b, None, h.grid, True, fresh())


def dense(h: Moments, weight: float = 1.0, bias: float = 0.0) -> Moments:
    r"""A dense layer at each position: W h + b with W ~ N(0, weight / fan_in), b ~ N(0, bias).

        S <- weight S + bias,   T <- weight T + S      (the new S)

    Raises ValueError for a weight that is not > 0 or a bias that is < 0.
    Source: Jacot et al. 2018 (arXiv 1806.07572), proposition 1 and theorem 1.
    """
    return _weighted(h, weight, bias)


def conv(h: Moments, kernel: int, weight: float = 1.0, bias: float = 0.0, stride: int = 1, padding: int = 0) -> Moments:
    r"""A convolution over the last two axes with W ~ N(0, weight / (channels kernel^2)) and zero padding.

        S(p, q) <- weight / kernel^2 sum_d S(p + d, q + d) + bias,   T likewise, plus the new S

    Raises ValueError for a grid that is not 2-D, a weight that is not > 0 or a bias that is < 0.
    Source: Arora et al. 2019, "On Exact Computation with an Infinitely Wide Neural Net" (arXiv 1904.11955), section 4.
    """
    if len(h.grid) != 2:
        raise ValueError(f"conv of features on a grid {h.grid}; allowed: images, inputs (N, channels, height, width)")

    def sums(S: Tensor) -> Tensor:
        S = S.unflatten(-1, h.grid).unflatten(-3, h.grid)
        for a, b in ((-4, -2), (-3, -1)):
            S = _diagonal_sums(S, a, b, kernel, stride, padding)
        return S.flatten(-4, -3).flatten(-2, -1) / kernel**2

    height, width = ((n + 2 * padding - kernel) // stride + 1 for n in h.grid)
    return _weighted(mapped(h, sums, lambda m: m, (height, width)), weight, bias)


def _diagonal_sums(S: Tensor, a: int, b: int, kernel: int, stride: int, padding: int) -> Tensor:
    """sum_d S[.., s i + d, .., s j + d, ..] for (i, j) on axes (a, b), d = 0..kernel-1, stride s, zero padding."""
    pad = [0, 0] * 4
    for axis in (a, b):
        pad[2 * (-axis - 1)] = pad[2 * (-axis - 1) + 1] = padding
    S = F.pad(S, pad) if padding else S
    last = S.shape[a] - kernel
    total = None
    for d in range(kernel):
        part = S.narrow(a, d, last + 1).narrow(b, d, last + 1)
        index = [slice(None)] * S.ndim
        index[a] = index[b] = slice(None, None, stride)
        part = part[tuple(index)]
        total = part if total is None else total + part
    assert total is not None
    return total


def average(h: Moments) -> Moments:
    """The mean over all positions."""
    return mapped(h, lambda S: S.mean((-2, -1), keepdim=True), lambda m: m.mean(-1, keepdim=True), ())


def flatten(h: Moments) -> Moments:
    """All positions side by side in one vector; a dense layer sees the means of S(p, p), T(p, p) and E(p) over p.

    Coordinates of different positions have different moments, so the result is not Gaussian if there are several.
    """
    mixed = h.S.shape[-1] > 1
    flat = mapped(
        h,
        lambda S: S.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None],
        lambda m: m.mean(-1, keepdim=True),
        (),
    )
    return replace(flat, mixed=h.mixed or mixed, gaussian=h.gaussian and not mixed)


def average_pool(h: Moments, size: int) -> Moments:
    """The means over windows of size x size positions that do not overlap."""
    height, width = h.grid

    def once(S: Tensor) -> Tensor:
        shape = S.shape[:-1]
        return F.avg_pool2d(S.reshape(-1, 1, height, width), size).reshape(*shape, -1)

    grid = (height // size, width // size)
    return mapped(h, lambda S: once(once(S).mT).mT, once, grid)


def gather(h: Moments, indices: list[Tensor]) -> Moments:
    """Equal groups of channels, where group g reads position indices[g][p] at p; moments are means over the groups."""

    def mean(part: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.stack([part(i) for i in indices]).mean(0)

    return mapped(h, lambda S: mean(lambda i: S[..., i, :][..., i]), lambda m: mean(lambda i: m[:, i]), h.grid)


def normalise(h: Moments, eps: float = 0.0, positions: bool = False, centre: bool = True) -> Moments:
    r"""The limit of LayerNorm, (y - E y) / sqrt(V + eps), with V the variance over a layer's infinitely many features.

        S <- (S - E E') / sqrt((V + eps) (V' + eps)),   T <- T / sqrt((V + eps) (V' + eps))

    By the law of large numbers V = E y^2 - (E y)^2 is one number for each point and position, and its own derivative
    averages out. With `positions`, E y and V are over positions too (GroupNorm with any number of groups); without
    `centre`, nothing is subtracted (RMSNorm).
    """
    if centre and h.mean is not None:
        e_1, e_2 = (m.mean(1, keepdim=True).expand_as(m) if positions else m for m in h.mean)
        h = translate(h, -e_1, -e_2)
    v_1, v_2 = (v.mean(1, keepdim=True) if positions else v for v in h.variances)
    return rescale(h, (v_1 + eps).rsqrt(), (v_2 + eps).rsqrt())
