"""Rules for rows that stand in another order, and for a weight whose scalars do."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.ntk._rules.base import Module, OuterRule, Rule

# The samples are on the second axis (S, n, ...), or they vary fastest along the rows (S n, ...).
LAYOUTS = ("second", "inner")


def _sample_major(t: Tensor, n: int, layout: str, axis: int) -> Tensor:
    rows = t if layout == "second" else t.unflatten(axis, (-1, n))
    return rows.transpose(axis, axis + 1)


def _fits(A: Tensor, n: int, layout: str) -> bool:
    return A.ndim > 2 and A.shape[1] == n if layout == "second" else A.ndim > 1 and len(A) > n and len(A) % n == 0


class LaidOut(Rule):
    """A rule for inputs whose samples are not on the leading axis."""

    def __init__(self, rule: Rule, layout: str) -> None:
        self.rule, self.layout, self.parameters = rule, layout, rule.parameters

    def applies(self, module: Module, A: Tensor) -> bool:
        fits = _fits(A, module.samples, self.layout)
        return fits and self.rule.applies(module, _sample_major(A, module.samples, self.layout, 0))

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return self.rule.prepare(module, _sample_major(A, module.samples, self.layout, 0))

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return self.rule.gradients(module, P, _sample_major(g, module.samples, self.layout, 1))


class LaidOutOuter(LaidOut, OuterRule):
    """An outer rule for inputs whose samples are not on the leading axis."""

    rule: OuterRule

    def channels(self, module: Module, g: Tensor) -> Tensor:
        return self.rule.channels(module, _sample_major(g, module.samples, self.layout, 1))

    def bias(self, module: Module, g: Tensor) -> Tensor:
        return self.rule.bias(module, _sample_major(g, module.samples, self.layout, 1))

    def weight(self, W: Tensor) -> Tensor:
        return self.rule.weight(W)

    def scalars(self, b: Tensor) -> Tensor:
        return self.rule.scalars(b)


def laid_out(rule: Rule, layout: str) -> Rule:
    """`rule` for samples in that layout."""
    return LaidOutOuter(rule, layout) if isinstance(rule, OuterRule) else LaidOut(rule, layout)


class Rearranged(OuterRule):
    """An outer rule whose weight and bias hold a parameter's scalars in another order; unused scalars have no gradient.

    places: by local name, for each scalar of the parameter its place in the weight, or the weight's size if it has no
    place there. Inner products of gradients do not depend on the order, so every contraction of the rule holds.
    """

    def __init__(self, rule: OuterRule, places: dict[str, Tensor]) -> None:
        self.rule, self.places = rule, places

    def applies(self, module: Module, A: Tensor) -> bool:
        return self.rule.applies(module, A)

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return self.rule.prepare(module, A)

    def channels(self, module: Module, g: Tensor) -> Tensor:
        return self.rule.channels(module, g)

    def bias(self, module: Module, g: Tensor) -> Tensor:
        return self._placed("bias", self.rule.bias(module, g))

    def weight(self, W: Tensor) -> Tensor:
        return self._placed("weight", self.rule.weight(W))

    def scalars(self, b: Tensor) -> Tensor:
        return self._placed("bias", self.rule.scalars(b))

    def _placed(self, local: str, J: Tensor) -> Tensor:
        return F.pad(J, (0, 1))[..., self.places[local]] if local in self.places else J


def places(weight: Tensor, leaf: Tensor) -> Tensor | None:
    """The place in `weight` of each scalar of `leaf`; None unless each entry of `weight` is a different such scalar."""
    if weight.numel() >= 2**24 or weight.dtype not in (torch.float32, torch.float64):
        return None  # float32 counts exactly only up to 2^24
    number = torch.arange(1, weight.numel() + 1, device=weight.device).view(weight.shape).to(weight.dtype)
    (g,) = torch.autograd.grad(weight, leaf, number, retain_graph=True, materialize_grads=True, allow_unused=True)
    at = g.flatten().round().long()
    used = at > 0
    in_order = at[used].sort().values
    if in_order.numel() != weight.numel() or not torch.equal(in_order, number.flatten().long()):
        return None
    same = torch.equal(weight.flatten()[at[used] - 1], leaf.flatten()[used])
    return torch.where(used, at - 1, weight.numel()) if same else None
