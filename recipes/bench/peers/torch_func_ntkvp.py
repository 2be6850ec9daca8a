"""torch.func gives K e = J(X) J(x_m)^T e by a jvp of a vjp, for one basis vector e of (sample m, output) at a time."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, jvp, vjp, vmap

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    """The kernel without a stored Jacobian: outputs of one sample share a vmap; the jvp has all samples X as one batch.

    The tutorial's vmap over pairs of samples is slower, since it copies the tangents for every pair.
    """
    net, x = load(job)
    params = {name: p.detach() for name, p in net.named_parameters()}

    def f(params: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(net, params, (x,))

    def column(xm: Tensor) -> Tensor:
        y, pull, *_ = vjp(lambda p: f(p, xm[None])[0], params)

        def product(e: Tensor) -> Tensor:
            return jvp(lambda p: f(p, x), (params,), pull(e))[1]

        return vmap(product)(torch.eye(len(y), dtype=y.dtype, device=y.device))

    def kernel() -> Tensor:
        return torch.stack([column(xm) for xm in x]).permute(2, 0, 3, 1)

    return kernel


if __name__ == "__main__":
    serve(setup, ("torch",))
