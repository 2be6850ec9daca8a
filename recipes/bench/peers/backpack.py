"""BackPACK gives per-sample gradients of each output, then one contraction for each parameter."""

from collections.abc import Callable

import torch
from backpack import backpack, extend
from backpack.extensions import BatchGrad
from torch import Tensor, nn

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    net, x = load(job)
    # BackPACK refuses unknown modules that hold parameters; it need not know containers, so these are left out.
    for module in net.modules():
        if not list(module.children()) and not isinstance(module, nn.Identity):
            extend(module)

    def kernel() -> Tensor:
        gradients: list[list[Tensor]] = []
        y = net(x)
        for o in range(y.shape[1]):
            with backpack(BatchGrad(), retain_graph=True):
                y[:, o].sum().backward(retain_graph=True)
            without = [name for name, p in net.named_parameters() if not hasattr(p, "grad_batch")]
            if without:
                raise NotImplementedError(f"BackPACK has no per-sample gradient of {without[0]}")
            gradients.append([p.grad_batch.flatten(1) for p in net.parameters()])  # type: ignore[attr-defined]
            for p in net.parameters():
                p.grad = None
        total = torch.zeros(())
        for parts in zip(*gradients, strict=True):
            j = torch.stack(parts, dim=1)
            total = total + torch.einsum("noq,mpq->nmop", j, j)
        return total

    return kernel


if __name__ == "__main__":
    serve(setup, ("torch", "backpack-for-pytorch"))
