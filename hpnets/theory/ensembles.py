"""The kernel of many drawn networks, where no limit is known in closed form."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hpnets.ntk import ntk
from hpnets.validate import at_least


class EnsembleKernel(NamedTuple):
    """The mean kernel (N1, N2) of the networks, and each entry's standard error."""

    ntk: Tensor
    standard_error: Tensor


def ensemble_kernel(
    make: Callable[[], nn.Module], x1: Tensor, x2: Tensor | None = None, *, seeds: int = 16
) -> EnsembleKernel:
    r"""The mean NTK of networks of the seeds 0 .. seeds - 1, which stands for `limit_kernel` where there is none.

        T = 1/R sum_r T_r,   standard error = (sum_r (T_r - T)^2 / (R (R - 1)))^1/2,   T_r the mean over the outputs

    Its distance to the limit has two parts: noise, which falls as 1/(m R)^1/2 with the width m, and the bias of a
    finite width, which falls as 1/m and which no number of networks removes. Parameters that start at a constant
    (biases at 0, gates) have no share, as in `limit_kernel`.

    make: builds a network, in eval mode where that matters, in the NTK parametrisation
    (`create_model(.., parametrisation="ntk")`), in which kernels of all widths have one scale. x1, x2: points, (N1,
    *shape) and (N2, *shape), of the networks' dtype; the mean is in float64. The global random state is left as it was.

    Raises ValueError for fewer than 2 seeds, and as `hpnets.ntk.ntk` does.
    """
    at_least("seeds", seeds, 2)
    kernels = torch.stack([_kernel(make, x1, x2, seed) for seed in range(seeds)])
    return EnsembleKernel(kernels.mean(0), kernels.std(0) / seeds**0.5)


def _kernel(make: Callable[[], nn.Module], x1: Tensor, x2: Tensor | None, seed: int) -> Tensor:
    """The kernel of the network of one seed, the mean over its outputs, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = make().to(x1)
    with torch.no_grad():
        outputs = net(x1[:1])[0].numel()
    drawn = {name: p.detach() for name, p in net.named_parameters() if bool((p != p.flatten()[0]).any())}
    return ntk(net, x1, x2, outputs="trace", params=drawn).double().cpu() / outputs
