"""The rule of ConvTranspose1d, 2d and 3d, convolutions with the roles of input and output gradient exchanged."""

from itertools import chain

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._rules.base import Module, OuterRule, is_batched, register_rule
from hpnets.ntk._rules.conv import patches


@register_rule(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
class TransposedConvRule(OuterRule):
    r"""dW[i, h, k] = sum_s A[i, s] g[h, stride s + dilation k - padding]: P is the input, G the patches of g."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return is_batched(A, len(module.kernel_size) + 2)

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A.flatten(2).unflatten(1, (module.groups, -1)).transpose(-1, -2)

    def channels(self, module: Module, g: Tensor) -> Tensor:
        # Output padding lengthens g at its end, where no further patch starts: a negative pad cuts it off.
        pads = [(p, p - extra) for p, extra in zip(module.padding, module.output_padding, strict=True)]
        padded = F.pad(g.flatten(0, 1), list(chain(*reversed(pads))))
        return patches(padded, module, module.groups).unflatten(0, g.shape[:2])

    def bias(self, module: Module, g: Tensor) -> Tensor:
        return g.flatten(3).sum(3)

    def weight(self, W: Tensor) -> Tensor:
        return W.transpose(-1, -2).flatten(2)
