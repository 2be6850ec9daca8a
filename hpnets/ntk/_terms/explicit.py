"""The term of small layers and of convolutions with few weights: J itself, (C, n, P), side by side for one product."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.autograd.graph import GradientEdge

from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._problem import Problem
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import State, Term, add_products, sum_of_rows


@dataclass(frozen=True)
class Explicit(Term):
    """J of the parameters of `layers`; what a rule prepares of A is kept for the passes of one chunk."""

    layers: tuple[Layer, ...]
    contraction = "gradient"
    watches = True
    axes: ClassVar[dict[str, int | None]] = {"J": 1}

    @property
    def width(self) -> int:
        """P, the scalars of all parameters."""
        return sum(sum(layer.numels) for layer in self.layers)

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        return {"J": (C, n, self.width)}

    def begin(self, params: Params, tape: Tape, state: State, rows: slice) -> None:
        for layer in self.layers:
            for call in layer.calls(tape):
                tape.prepared[id(call), id(layer.rule)] = layer.rule.prepare(call.module, call.A)

    def edges(self, tape: Tape) -> list[GradientEdge]:
        return [call.edge for layer in self.layers for call in layer.calls(tape)]

    def take(self, tape: Tape, state: State, rows: slice, columns: slice, grads: dict[int, Tensor]) -> None:
        J, start = state["J"][columns, rows], 0
        for layer in self.layers:
            width = sum(layer.numels)
            own = J[..., start : start + width]
            seen = [call for call in layer.calls(tape) if id(call.edge) in grads]
            if not seen:
                own.zero_()
            for i, call in enumerate(seen):
                prepared = tape.prepared[id(call), id(layer.rule)]
                g = grads[id(call.edge)]
                gradients = layer.rule.sample_gradients(call.module, prepared, g, J.shape[1])
                parts = [gradients[name] for name in layer.locals]
                for part, place in zip(parts, own.split([part.shape[2] for part in parts], dim=2), strict=True):
                    place.copy_(part) if i == 0 else place.add_(part)
            start += width

    def summed(self, state: State, u: Tensor) -> Tensor:
        return sum_of_rows(state["J"], u)

    def pulled(self, state: State, Gu: Tensor, mixes: Params) -> dict[str, Tensor]:
        sizes = [size for layer in self.layers for size in layer.numels]
        return dict(zip(self.names, Gu.split(sizes), strict=True))

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        add_products(k, left["J"], right["J"], None, symmetric)

    def held_numel(self) -> int:
        return sum(layer.kept for layer in self.layers)

    def flops(self, problem: Problem) -> float:
        return 2.0 * problem.n1 * problem.n2 * self.width * problem.pairs
