"""Small layers, and convolutions with few weights: J itself, (C, n, P), all of them side by side for one product."""

from dataclasses import dataclass

from torch import Tensor, nn

from hpnets.ntk._functional import Params
from hpnets.ntk._rules.base import fold_rows
from hpnets.ntk._survey import Layer
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import State, Term, add_products


@dataclass(frozen=True)
class Explicit(Term):
    """J of the parameters `names` of `layers`; what a rule prepares of A is kept for the passes of one chunk."""

    layers: tuple[Layer, ...]
    names: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    rule = "gradient"
    watches = True

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        return {"J": (C, n, sum(self.widths))}

    def begin(self, net: nn.Module, params: Params, tape: Tape, state: State, rows: slice) -> None:
        for layer in self.layers:
            for module, call in layer.calls(net, tape):
                tape.prepared[id(call)] = layer.rule.prepare(module, call.A)

    def edges(self, net: nn.Module, tape: Tape) -> list:
        return [call.edge for layer in self.layers for _, call in layer.calls(net, tape)]

    def take(
        self, net: nn.Module, tape: Tape, state: State, rows: slice, columns: slice, grads: dict[int, Tensor]
    ) -> None:
        J, start = state["J"][columns, rows], 0
        for layer, names, width in zip(self.layers, self.names, self.widths, strict=True):
            own = J[..., start : start + width]
            seen = [(module, call) for module, call in layer.calls(net, tape) if id(call.edge) in grads]
            if not seen:
                own.zero_()
            for i, (module, call) in enumerate(seen):
                found = layer.rule.gradients(module, tape.prepared[id(call)], grads[id(call.edge)])
                parts = [fold_rows(found[name], J.shape[1]) for name in names]
                for part, place in zip(parts, own.split([part.shape[2] for part in parts], dim=2), strict=True):
                    place.copy_(part) if i == 0 else place.add_(part)
            start += width

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        add_products(k, left["J"], right["J"], None, symmetric)

    def held_numel(self) -> int:
        return sum(layer.kept for layer in self.layers)

    def flops(self, n1: int, n2: int, C: int, flat: bool) -> float:
        return 2.0 * n1 * n2 * sum(self.widths) * (C if flat else C * C)
