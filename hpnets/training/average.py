"""The exponential mean of a network's weights over the steps of its training."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(net: nn.Module, decay: float) -> AveragedModel:
    r"""A copy of `net` whose update_parameters(net), called after each step, takes the mean: a <- d a + (1 - d) theta.

    The first call copies. Buffers of floats, such as BatchNorm's statistics, are averaged alike; others are copied.
    """

    @torch.no_grad()
    def update(kept: Any, now: Any, _: Tensor | int) -> None:
        if kept[0].is_floating_point() or kept[0].is_complex():
            torch._foreach_lerp_(kept, now, 1 - decay)
        else:
            torch._foreach_copy_(kept, now)

    return AveragedModel(net, multi_avg_fn=update, use_buffers=True).requires_grad_(False)


def deployed_copy(average: nn.Module, net: nn.Module) -> nn.Module:
    """A copy of the averaged network, in eval mode, that has gradients where `net` has."""
    copied = copy.deepcopy(average).eval()
    for p, own in zip(copied.parameters(), net.parameters(), strict=True):
        p.requires_grad_(own.requires_grad)
    return copied
