"""The term of a large weight with few positions (late convolutions, tokens): inputs P and output gradients G."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Geometry, Layer
from hpnets.ntk._problem import Problem
from hpnets.ntk._rules.base import fold_channels, fold_positions
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import State, Term, is_mixable
from hpnets.ntk._terms.chunks import add_chunks, chunks_flops, chunks_numel
from hpnets.ntk._terms.sandwich import add_sandwich, add_trace_sandwich, sandwich_flops, sandwich_numel


@dataclass(frozen=True)
class Positions(Term):
    """The term of one layer's weight, with P (n, q, S, I) and G (n, q, C, H, S), or (n, q, C, S, H) if `units_last`."""

    layers: tuple[Layer]
    contraction: str  # "sandwich" or "chunks"
    watches = True
    axes: ClassVar[dict[str, int | None]] = {"P": 0, "G": 0}

    @property
    def shape(self) -> Geometry:
        return self.layers[0].outer[1]

    @property
    def units_last(self) -> bool:
        """Whether units are the last axis of G, as a sandwich needs it."""
        return self.contraction == "sandwich"

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        q, S, I, H = self.shape
        return {"P": (n, q, S, I), "G": (n, q, C, S, H) if self.units_last else (n, q, C, H, S)}

    def begin(self, params: Params, tape: Tape, state: State, rows: slice) -> None:
        (layer,) = self.layers
        n, at = rows.stop - rows.start, 0
        for call in layer.calls(tape):
            P = fold_positions(layer.rule.prepare(call.module, call.A), n)
            state["P"][rows, :, at : at + P.shape[2]] = P
            at += P.shape[2]

    def edges(self, tape: Tape) -> list[GradientEdge]:
        return [call.edge for call in self.layers[0].calls(tape)]

    def take(self, tape: Tape, state: State, rows: slice, columns: slice, grads: dict[int, Tensor]) -> None:
        (layer,) = self.layers
        rule, _ = layer.outer
        n, at = rows.stop - rows.start, 0
        for call in layer.calls(tape):
            zeros = torch.empty((1, *call.shape), device="meta")
            g = grads.get(id(call.edge), zeros)
            G = fold_channels(rule.channels(call.module, g), n).permute(1, 2, 0, 3, 4)
            self._units_first(state)[rows, :, columns, :, at : at + G.shape[4]] = 0 if G.is_meta else G
            at += G.shape[4]

    def _units_first(self, state: State) -> Tensor:
        """G as (n, q, C, H, S)."""
        return state["G"].transpose(3, 4) if self.units_last else state["G"]

    def summed(self, state: State, u: Tensor) -> Tensor:
        """sum_c u_c G_c (n, q, H, S)."""
        G = state["G"]
        Gu = (u[:, None, None] @ G.flatten(3)).view(*G.shape[:2], *G.shape[3:])
        return Gu.mT if self.units_last else Gu

    def mixable(self, params: Params) -> tuple[str, ...]:
        return self.names if is_mixable(self.layers[0], params) else ()

    def pulled(self, state: State, Gu: Tensor, mixes: Params) -> dict[str, Tensor]:
        (name,), P = self.names, state["P"]
        if name in mixes:
            # The products of M and the gradients at the positions, then with P: few operations if positions are few.
            M = mixes[name].unflatten(1, (Gu.shape[1], -1)).transpose(0, 1)
            return {name: (M @ Gu @ P).sum((0, 1)).flatten()}
        weight = Gu.permute(1, 2, 0, 3).flatten(2) @ P.transpose(0, 1).flatten(1, 2)
        return {name: self.layers[0].outer[0].weight(weight[None, None]).flatten()}

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        sandwich = add_trace_sandwich if k.ndim == 2 else add_sandwich
        add = add_chunks if self.contraction == "chunks" else sandwich
        add(k, left["P"], left["G"], right["P"], right["G"], symmetric)

    def begin_numel(self) -> int:
        return self.layers[0].kept

    def flops(self, problem: Problem) -> float:
        return (sandwich_flops if self.contraction == "sandwich" else chunks_flops)(self.shape, problem)

    def scratch_numel(self, problem: Problem) -> int:
        return (sandwich_numel if self.contraction == "sandwich" else chunks_numel)(self.shape, problem)
