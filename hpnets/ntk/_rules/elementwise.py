"""Rules of elementwise gains y = w * A, w on the channel axis or shared; PReLU is a gain of the negative half-line."""

from torch import Tensor, nn

from hpnets.ntk._rules.base import Module, Rule, register_rule


@register_rule(nn.PReLU)
class PReLURule(Rule):
    """dw is the sum of g * min(A, 0) over the axes that share w."""

    parameters = ("weight",)

    def applies(self, module: Module, A: Tensor) -> bool:
        return A.is_floating_point() and A.ndim >= 2

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A.clamp_max(0)

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        product = (g * P).reshape(*g.shape[:3], -1).sum(3)
        return {"weight": product if module.num_parameters == product.shape[2] else product.sum(2, keepdim=True)}


class GainRule(Rule):
    """y = w * A, w on the last axis, as of timm's LayerScale: `register_rule(LayerScale)(GainRule)`."""

    def __init__(self, name: str = "gamma") -> None:
        self.parameters = (name,)

    def applies(self, module: Module, A: Tensor) -> bool:
        return A.is_floating_point() and A.ndim >= 2

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {self.parameters[0]: (g * P).reshape(*g.shape[:2], -1, g.shape[-1]).sum(2)}
