"""One part of the bound: a forward pass and a backward pass for each output, to layers' outputs and not to weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    return bare_passes(*load(job))


def bare_passes(net: nn.Module, x: Tensor, batched: bool = False) -> Callable[[], Tensor]:
    """The passes of `net`, whose parameters require no gradients afterwards; batched: all outputs in one, by vmap."""
    net.requires_grad_(False)
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, y: Any) -> None:
        if isinstance(y, Tensor):
            outputs.append(y if y.requires_grad else y.requires_grad_())

    for module in net.modules():
        if module._parameters:
            module.register_forward_hook(keep)

    def passes() -> Tensor:
        outputs.clear()
        y = net(x)
        seeds = torch.eye(y.shape[1])[:, None].expand(-1, len(y), -1)
        options: dict[str, Any] = {"retain_graph": True, "allow_unused": True}
        if batched:
            vmap(lambda seed: [g for g in torch.autograd.grad(y, outputs, seed, **options) if g is not None])(seeds)
        else:
            for seed in seeds:
                torch.autograd.grad(y, outputs, seed, **options)
        return y.detach()

    return passes


if __name__ == "__main__":
    serve(setup, ("torch",))
