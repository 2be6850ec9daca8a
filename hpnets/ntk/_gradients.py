"""The share of parameters whose gradient is zero at initialisation, which have no share in the kernel."""

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import plain_call
from hpnets.ntk._state import undisturbed


def zero_gradient_fraction(net: nn.Module, x: Tensor) -> float:
    """The share of the parameters whose gradient at x is exactly zero for a random cotangent of the outputs.

    Parameters behind a zero-initialised gate have no gradient, so they have no share in the kernel.
    """
    params = [p for p in net.parameters() if p.requires_grad]
    with undisturbed(net, x.device), torch.enable_grad():
        y = plain_call(net, x)
        if not y.requires_grad:
            return 1.0
        u = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(y)
        grads = torch.autograd.grad(y, params, u, allow_unused=True)
    pairs = zip(params, grads, strict=True)
    zeros = sum(p.numel() if g is None else int((g == 0).sum()) for p, g in pairs)
    return zeros / sum(p.numel() for p in params)
