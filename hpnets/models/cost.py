"""What a forward pass costs: parameters and floating-point operations, Hadamard products among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hpnets.validate import at_least


@dataclass(frozen=True)
class Cost:
    """The cost of one sample; `products` counts the multiplications of Hadamard products, which are part of `flops`."""

    parameters: int
    flops: int
    products: int


def _elements(first: Any, second: Any, *_: Any, out_val: Any = None, **__: Any) -> int:
    """Multiplications in first * second: an element each where both are tensors of one shape, else 0."""
    return torch.Size(first).numel() if isinstance(first, torch.Size) and first == second else 0


def cost(net: nn.Module, input_shape: Sequence[int]) -> Cost:
    r"""Parameters, FLOPs and Hadamard products of a forward pass of one sample of `input_shape`, in eval mode.

        flops = 2 (multiply-adds of matrix products and convolutions) + products
        products = sum of the sizes of all a * b with a, b tensors of equal shape

    torch's counter counts 0 for a * b; here it counts 1 an element, whether in a `hadamard` or in a net that is not
    ours. What rescales by a number or by a smaller tensor (a gate alpha, a weight a channel), additions (those of a
    `product="sum"` twin too), biases, norms, activations and pooling count 0. Each module keeps its mode.

    Raises ValueError for an input_shape that is not of sizes >= 1.
    """
    for size in input_shape:
        at_least("input_shape", size, 1)
    parameters, modes = list(net.parameters()), [(module, module.training) for module in net.modules()]
    like = parameters[0] if parameters else torch.empty(0)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mul: _elements})
    try:
        with torch.enable_grad(), counter:  # torch's tracker of modules fails on views of parameters without gradient
            net.eval()(torch.zeros(1, *input_shape, dtype=like.dtype, device=like.device))
    finally:
        for module, mode in modes:
            module.training = mode
    products = counter.get_flop_counts().get("Global", {}).get(torch.ops.aten.mul, 0)
    return Cost(sum(p.numel() for p in parameters), counter.get_total_flops(), products)
