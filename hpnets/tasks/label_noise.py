"""Labels with noise of one frequency, the same size as the labels."""

import math

import torch
from torch import Tensor

from hpnets.tasks.digits import DigitsTask


def noisy_parity(frequency: int, samples: int, seed: int) -> tuple[Tensor, ...]:
    """x (n, D), parity of the digit (n, 1), noise (n, 1); x and parity of the test digits.

    x is centred and of unit norm; parity is 1 for odd, -1 for even; noise is sqrt(2) sin(2 pi k s), k the frequency, s
    in [0, 1] the first principal component of x, so that noise and parity have the same mean square.
    """
    task = DigitsTask(seed=seed)
    task.setup()
    (x, y), (x_test, y_test) = task.train_set.batch(range(samples)), task.test_set.batch(range(len(task.test_set)))
    x, x_test = x.flatten(1), x_test.flatten(1)
    x, x_test = x - x.mean(0), x_test - x.mean(0)
    x, x_test = (v / v.norm(dim=1, keepdim=True) for v in (x, x_test))
    s = x @ torch.linalg.svd(x, full_matrices=False).Vh[0]
    s = (s - s.min()) / (s.max() - s.min())
    noise = math.sqrt(2) * torch.sin(2 * math.pi * frequency * s)[:, None]
    return x, parity(y), noise, x_test, parity(y_test)


def parity(y: Tensor) -> Tensor:
    """1 for odd, -1 for even, (n, 1)."""
    return (2.0 * (y % 2) - 1)[:, None]
