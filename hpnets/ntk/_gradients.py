"""The share of parameters whose gradient is zero at initialisation, which have no share in the kernel."""

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import own_parameters, plain_call, trainable_parameters
from hpnets.ntk._state import undisturbed


def zero_gradient_fraction(net: nn.Module, x: Tensor) -> float:
    """The share of the parameters whose gradient at x is exactly zero for a random cotangent of the outputs.

    Parameters behind a zero-initialised gate have no gradient, so they have no share in the kernel. Raises ValueError
    for a parameter that a lazy module has not made yet.
    """
    theta = trainable_parameters(net)
    with undisturbed(net, x.device), torch.enable_grad(), own_parameters(net, theta) as own:
        y = plain_call(net, x)
        if not y.requires_grad:
            return 1.0
        u = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(y)
        grads = torch.autograd.grad(y, list(own.values()), u, allow_unused=True)
    pairs = zip(theta.values(), grads, strict=True)
    zeros = sum(p.numel() if g is None else int((g == 0).sum()) for p, g in pairs)
    return zeros / sum(p.numel() for p in theta.values())
