"""Images shifted around, as on a torus: as Fourier coefficients for kernels on complex numbers, and as curves."""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hpnets.kernels import KernelPredictor
from hpnets.papers.parts.complex_pairs import limit
from hpnets.papers.parts.data import training_images
from hpnets.papers.parts.seeds import seed_for
from hpnets.tasks.curves import Curve, Curves

Pair = tuple[Tensor, Tensor]


def drawn_images(task: str, count: int, generator: torch.Generator) -> Pair:
    """Different training images of a task, in grey, (count, height, width) in float64, and their classes."""
    samples = training_images(task)
    x, classes = samples.batch(torch.randperm(len(samples), generator=generator)[:count])
    return x.double().mean(1), classes


def shifted_images(task: str, number: int, seed: int) -> tuple[Pair, Pair]:
    """Training and test images, each shifted at random on the torus: half of their Fourier coefficients, and labels.

    Of each c_k and its conjugate c_-k one is kept, as [Re c; Im c] of |c|^2 = dim; labels are one-hot less 1/10.
    """
    generator = torch.Generator().manual_seed(seed)
    pixels, classes = drawn_images(task, 2 * number, generator)
    height, width = pixels.shape[1:]
    rolls = torch.stack([torch.randint(side, (2 * number,), generator=generator) for side in (height, width)], 1)
    moved = torch.stack([p.roll(tuple(by), (0, 1)) for p, by in zip(pixels, rolls.tolist(), strict=True)])
    half = [(a, b) for a in range(height) for b in range(width) if (a, b) < (-a % height, -b % width)]
    c = torch.fft.fft2(moved)[:, *torch.tensor(half).T]
    x = torch.cat([c.real, c.imag], 1)
    x = c.shape[1] ** 0.5 * x / x.norm(dim=1, keepdim=True)
    y = torch.nn.functional.one_hot(classes, 10).double() - 0.1
    return (x[:number], y[:number]), (x[number:], y[number:])


def shifted(network: str, images: str, seed: int, number: int, device: str) -> dict[str, Any]:
    """The accuracy of the limit kernel at t = infinity on images shifted at random, by their Fourier coefficients."""
    (x, y), (z, right) = shifted_images(images, number, seed)
    fitted = KernelPredictor(limit(network, x), y).flow(math.inf)
    return {"accuracy": float(((limit(network, z, x) @ fitted.values).argmax(1) == right.argmax(1)).double().mean())}


def shift_curve(image: Tensor) -> Curve:
    """The image (height, width) less its mean, shifted around by t / (2 pi) of its width, as a curve of the sphere.

    Its rows are trigonometric polynomials in t; the last frequency of an even width, which a shift by half a pixel
    would lose, is left out.
    """
    coefficients = torch.fft.rfft(image - image.mean(), dim=1)
    k = torch.arange(coefficients.shape[1], dtype=torch.float64)
    coefficients = coefficients * (2 * k < image.shape[1])

    def curve(t: Tensor) -> Tensor:
        phases = torch.exp(-1j * t[:, None, None] * k)
        x = torch.fft.irfft(coefficients * phases, n=image.shape[1], dim=2).flatten(1)
        return x / x.norm(dim=1, keepdim=True)

    return curve


@cache
def nearest_pair(task: str, among: int, seed: int) -> Curves:
    """The curves of an image and of that one of `among` others that comes nearest to it at some shift by pixels."""
    x, _ = drawn_images(task, among + 1, torch.Generator().manual_seed(seed_for("pair", seed)))
    x = x - x.mean((1, 2), keepdim=True)
    f = torch.fft.rfft(x / x.flatten(1).norm(dim=1)[:, None, None], dim=2)
    cosines = torch.fft.irfft((f[0].conj() * f[1:]).sum(1), n=x.shape[2], dim=1)
    return Curves(shift_curve(x[0]), shift_curve(x[1 + int(cosines.amax(1).argmax())]))
