"""Part of the bound: a forward pass and one backward pass an output, gradients of layer outputs alone, no weights'."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    net, x = load(job)
    net.requires_grad_(False)
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, y: Tensor) -> None:
        outputs.append(y if y.requires_grad else y.requires_grad_())

    for module in net.modules():
        if module._parameters:
            module.register_forward_hook(keep)

    def passes() -> Tensor:
        outputs.clear()
        y = net(x)
        for o in range(y.shape[1]):
            torch.autograd.grad(y[:, o].sum(), outputs, retain_graph=True)
        return y.detach()

    return passes


if __name__ == "__main__":
    serve(setup, ("torch",))
