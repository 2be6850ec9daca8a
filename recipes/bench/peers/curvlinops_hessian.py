"""curvlinops' Hessian in scipy's Lanczos: the largest eigenvalues, algebraically."""

from collections.abc import Callable

import torch
from curvlinops import HessianLinearOperator
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn

from recipes.bench.cases import TOP, load, loss_and_labels
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    net, x = load(job)
    _, y = loss_and_labels(x)
    params = list(net.parameters())

    def top() -> Tensor:
        H = HessianLinearOperator(net, nn.CrossEntropyLoss(), params, [(x, y)], check_deterministic=False)
        values = eigsh(H.to_scipy(), k=TOP, which="LA", tol=1e-5, return_eigenvectors=False)
        return torch.from_numpy(values.copy()).sort(descending=True).values

    return top


if __name__ == "__main__":
    serve(setup, ("torch", "curvlinops-for-pytorch"))
