"""Digits shifted at random, as Fourier coefficients: what kernels on complex numbers know of them."""

import math
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from hpnets.kernels import KernelPredictor
from hpnets.papers.complex_pairs import limit


def shifted_digits(number: int, seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test digits, each shifted at random on the torus: half of their Fourier coefficients, and labels.

    Of each c_k and its conjugate c_-k one is kept, as [Re c; Im c] of |c|^2 = dim; labels are one-hot less 1/10.
    """
    images, labels = load_digits(return_X_y=True)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(images), generator=generator)[: 2 * number]
    rolls = torch.randint(8, (2 * number, 2), generator=generator).tolist()
    pixels = torch.tensor(images, dtype=torch.float64).view(-1, 8, 8)[chosen]
    moved = torch.stack([p.roll(tuple(by), (0, 1)) for p, by in zip(pixels, rolls, strict=True)])
    half = [(a, b) for a in range(8) for b in range(8) if (a, b) < (-a % 8, -b % 8)]
    c = torch.stack([torch.fft.fft2(moved)[:, a, b] for a, b in half], 1)
    x = torch.cat([c.real, c.imag], 1)
    x = c.shape[1] ** 0.5 * x / x.norm(dim=1, keepdim=True)
    y = torch.nn.functional.one_hot(torch.tensor(labels)[chosen], 10).double() - 0.1
    return (x[:number], y[:number]), (x[number:], y[number:])


def digits(network: str, seed: int, number: int, device: str) -> dict[str, Any]:
    """The accuracy of the limit kernel at t = infinity on digits shifted at random, by their Fourier coefficients."""
    (x, y), (z, right) = shifted_digits(number, seed)
    fitted = KernelPredictor(limit(network, x), y).flow(math.inf)
    return {"accuracy": float(((limit(network, z, x) @ fitted.values).argmax(1) == right.argmax(1)).double().mean())}
