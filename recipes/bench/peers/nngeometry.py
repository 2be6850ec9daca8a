"""nngeometry gives its Gram matrix of all outputs, (O, N, O, N), with all samples in one batch."""

from collections.abc import Callable

import torch
from nngeometry.gram import GramMatrix
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    net, x = load(job)
    loader = DataLoader(TensorDataset(x, torch.zeros(len(x))), batch_size=len(x))
    return lambda: GramMatrix(net, loader).to_torch().permute(1, 3, 0, 2)


if __name__ == "__main__":
    serve(setup, ("torch", "nngeometry"))
