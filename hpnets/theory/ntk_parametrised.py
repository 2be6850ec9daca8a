"""The kernel of a finite network in the parametrisation in which it has a limit."""

import torch
from torch import Tensor, nn

from hpnets.ntk import Outputs, Params, eager, ntk
from hpnets.theory.limits import init_variances


def ntk_parametrised_kernel(
    net: nn.Module, x1: Tensor, x2: Tensor | None = None, *, outputs: Outputs, memory: str | float = "1GiB"
) -> Tensor:
    r"""The NTK of the NTK-parametrised network, sum_p var_p J_p J_p^T, at its own width and weights.

    That network is the same function with each parameter written as sqrt(var_p) times a standard normal one, var_p as
    in `init_variances`. As the width grows, the kernel tends to limit_kernel(net, x1, x2).ntk for each output, and to 0
    between two. Arguments and shapes are those of `hpnets.ntk.ntk`.

    Raises ValueError as `limit_kernel` and `hpnets.ntk.ntk` do.
    """
    net = eager(net)
    alike: dict[float, Params] = {}  # parameters of one variance are differentiated together
    for name, variance in init_variances(net, x1).items():
        alike.setdefault(variance, {})[name] = net.get_parameter(name).detach()
    alike.pop(0.0, None)
    shares = (v * ntk(net, x1, x2, outputs=outputs, params=part, memory=memory) for v, part in alike.items())
    return torch.stack(list(shares)).sum(0)
