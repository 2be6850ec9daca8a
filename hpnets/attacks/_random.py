"""Random numbers that are a function of a seed and of the sample they are for, whatever else is in its batch."""

import math

import torch
from torch import Tensor

# The constants of splitmix64, as signed integers; products wrap around.
GOLDEN, FIRST, SECOND = (c - 2**64 for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def uniform(x: Tensor, seed: int, stream: int) -> Tensor:
    """Numbers in (0, 1), float64, of the shape of x (N, ...), each row a function of (seed, stream, that row) alone.

    They are the same bits on every device. Source: Steele, Lea and Flood 2014, splitmix64, here with a counter.
    """
    bits = x.detach().flatten(1).float().contiguous().view(torch.int32).long()
    place = torch.arange(bits.shape[1], device=x.device)
    rows = _mix(bits + GOLDEN * (place + 1)).sum(1)
    of = _mix(torch.tensor([seed, stream], device=x.device) + 1)
    key = _mix(rows + of[0] + _mix(of[1]))
    drawn = _shifted(_mix(key[:, None] + GOLDEN * (place + 1)), 12)
    return ((drawn.double() + 0.5) / 2**52).view(x.shape)


def normal(x: Tensor, seed: int, stream: int) -> Tensor:
    """Standard normal numbers, float64, as `uniform`; by Box and Muller 1958."""
    radius = (-2 * uniform(x, seed, 2 * stream).log()).sqrt()
    return radius * (2 * math.pi * uniform(x, seed, 2 * stream + 1)).cos()


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shifted(z, 30)) * FIRST
    z = (z ^ _shifted(z, 27)) * SECOND
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """z shifted to the right as an unsigned integer."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
