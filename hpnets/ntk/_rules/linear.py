"""The rule of Linear: y = A W^T + b on (rows, I) or (rows, ..., I); the axes between are positions."""

from torch import Tensor, nn

from hpnets.ntk._rules.base import Module, OuterRule, register_rule


@register_rule(nn.Linear)
class LinearRule(OuterRule):
    """P is the input itself, G the output gradient; there is one group."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return A.is_floating_point() and A.ndim >= 2

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A.reshape(len(A), 1, -1, A.shape[-1])

    def channels(self, module: Module, g: Tensor) -> Tensor:
        return g.reshape(*g.shape[:2], 1, -1, g.shape[-1]).transpose(-1, -2)

    def bias(self, module: Module, g: Tensor) -> Tensor:
        return g.reshape(*g.shape[:2], -1, g.shape[-1]).sum(2)
