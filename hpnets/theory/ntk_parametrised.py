"""The kernel of a finite NTK-parametrised net, which has a limit."""

import torch
from torch import Tensor, nn

from hpnets.ntk import Outputs, Params, eager, ntk
from hpnets.theory.limits import init_variances


def ntk_parametrised_kernel(
    net: nn.Module, x1: Tensor, x2: Tensor | None = None, *, outputs: Outputs, memory: str | float = "1GiB"
) -> Tensor:
    r"""The NTK of the NTK-parametrised net, sum_p var_p J_p J_p^T, at the width and weights of `net`.

    The NTK-parametrised net is the same function with each parameter written as sqrt(var_p) times a standard normal
    one, var_p as in `init_variances`. As the width grows, the kernel tends to limit_kernel(net, x1, x2).ntk for each
    output, and to 0 between two outputs. Arguments and shapes are those of `hpnets.ntk.ntk`.

    Raises ValueError as `limit_kernel` and `hpnets.ntk.ntk` do.
    """
    net = eager(net)
    alike: dict[float, Params] = {}  # one kernel serves all parameters of the same variance
    for name, variance in init_variances(net, x1).items():
        alike.setdefault(variance, {})[name] = net.get_parameter(name).detach()
    alike.pop(0.0, None)
    shares = (v * ntk(net, x1, x2, outputs=outputs, params=part, memory=memory) for v, part in alike.items())
    return torch.stack(list(shares)).sum(0)
