"""torch.func: the Jacobian by vmap of jacrev, one contraction a parameter, as in the public tutorial."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    """K[n, m, o, p] = sum over parameters of J[n, o, :] J[m, p, :]."""
    net, x = load(job)
    params = {name: p.detach() for name, p in net.named_parameters()}

    def f(params: dict[str, Tensor], xi: Tensor) -> Tensor:
        return functional_call(net, params, (xi[None],))[0]

    def kernel() -> Tensor:
        jacobian = vmap(jacrev(f), (None, 0))(params, x)
        flat = [j.flatten(2) for j in jacobian.values()]
        return torch.stack([torch.einsum("noq,mpq->nmop", j, j) for j in flat]).sum(0)

    return kernel


if __name__ == "__main__":
    serve(setup, ("torch",))
