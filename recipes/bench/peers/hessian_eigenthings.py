"""hessian-eigenthings' Hessian in its own Lanczos; its default of 2 k steps converges nowhere here, so it gets 60."""

from collections.abc import Callable

from hessian_eigenthings import HessianOperator, lanczos, supervised_loss
from torch import Tensor

from recipes.bench.cases import TOP, load, loss_and_labels
from recipes.bench.worker import Job, serve

STEPS = 60


def setup(job: Job) -> Callable[[], Tensor]:
    net, x = load(job)
    criterion, y = loss_and_labels(x)

    def top() -> Tensor:
        H = HessianOperator(net, [(x, y)], supervised_loss(criterion))
        result = lanczos(H, k=TOP, max_iter=STEPS, tol=1e-5, reorthogonalize=True, which="LA", seed=0)
        return result.eigenvalues.sort(descending=True).values

    return top


if __name__ == "__main__":
    serve(setup, ("torch", "hessian-eigenthings"))
