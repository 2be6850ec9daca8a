"""Networks in a state in which every parameter counts, for checks of their kernels."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def wake(net: nn.Module, biases: bool = True) -> None:
    """Add noise of deviation 0.1 to parameters that are constant at the start.

    Otherwise a layer behind a gate of 0 would have no gradient, and a kernel that forgot the layer would be right.
    Without `biases` they stay: noise in front of a norm, where features are small beside it, costs digits in float32.
    """
    with torch.no_grad():
        for name, p in net.named_parameters():
            if (biases or not name.endswith("bias")) and p.numel() and bool((p == p.flatten()[0]).all()):
                p.add_(0.1 * torch.randn_like(p))


def estimate_statistics(net: nn.Module, x: Tensor) -> None:
    """Set the running statistics of BatchNorm to those of the batch x, by one forward pass in train mode."""
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # None means a cumulative average, whose first value is the batch's
    net.train()
    with torch.no_grad():
        net(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
