"""The rule of Conv1d, Conv2d and Conv3d with stride, padding, padding modes, dilation and groups."""

from itertools import chain

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._rules.base import Module, OuterRule, is_batched, register_rule


@register_rule(nn.Conv1d, nn.Conv2d, nn.Conv3d)
class ConvRule(OuterRule):
    """P are the patches under the kernel at each output position, G the output gradient."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return is_batched(A, len(module.kernel_size) + 2)

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        mode = "constant" if module.padding_mode == "zeros" else str(module.padding_mode)
        padding = _padding(module)
        padded = F.pad(A, padding, mode=mode) if any(padding) else A
        return patches(padded, module, module.groups).transpose(-1, -2)

    def channels(self, module: Module, g: Tensor) -> Tensor:
        return g.flatten(3).unflatten(2, (module.groups, -1))

    def bias(self, module: Module, g: Tensor) -> Tensor:
        return g.flatten(3).sum(3)


def patches(x: Tensor, module: Module, groups: int) -> Tensor:
    """The patches of a padded x (rows, channels, *space): (rows, groups, channels / groups * kernel, S).

    The longer of the last axes of space and kernel is innermost in memory, so that the one copy has long runs to move.
    """
    kernel: tuple[int, ...] = module.kernel_size
    d = len(kernel)
    if any(k > 1 for k in kernel):
        x = x.contiguous()  # with channels last it would be read against the grain, once for each tap
    for axis, (k, stride, dilation) in enumerate(zip(kernel, module.stride, module.dilation, strict=True)):
        x = x.unfold(2 + axis, dilation * (k - 1) + 1, stride)[..., ::dilation]
    x = x.unflatten(1, (groups, -1))
    space, taps = range(3, 3 + d), range(3 + d, 3 + 2 * d)
    if x.shape[2 + d] >= kernel[-1]:
        return x.permute(0, 1, 2, *taps, *space).flatten(3 + d).flatten(2, 2 + d)
    return x.permute(0, 1, *space, 2, *taps).flatten(2 + d).flatten(2, 1 + d).transpose(2, 3)


def _padding(module: Module) -> list[int]:
    """The padding in the order of F.pad: last axis first, before and after."""
    spans = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if module.padding == "valid":
        pairs = [(0, 0)] * len(spans)
    elif module.padding == "same":
        pairs = [(s // 2, s - s // 2) for s in spans]
    else:
        pairs = [(p, p) for p in module.padding]
    return list(chain(*reversed(pairs)))
