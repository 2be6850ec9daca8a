"""hpnets computes the 20 largest eigenvalues by Lanczos on products, without a stored kernel."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hpnets.linalg import Spectrum, spectrum
from hpnets.ntk import NTKOperator
from recipes.bench.cases import load
from recipes.bench.worker import Job, serve

K = 20


def setup(job: Job) -> Callable[[], Spectrum]:
    net, x = load(job)
    k = min(K, len(x))
    return lambda: spectrum(NTKOperator(net, x, outputs=job.outputs, memory=job.memory), k=k)


def convert(measured: Spectrum) -> np.ndarray:
    """An array with the rows eigenvalues, residuals, and the number of products."""
    products: Tensor = torch.full_like(measured.eigenvalues, measured.products)
    return torch.stack([measured.eigenvalues, measured.residuals, products]).cpu().numpy()


if __name__ == "__main__":
    serve(setup, ("torch",), convert=convert)
