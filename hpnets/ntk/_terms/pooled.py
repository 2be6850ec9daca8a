r"""The term of a separable layer with many positions, as the last convolution before pooling.

G[o, x, h, s] = R[o, h] D[x, h, s], so K[o, x, p, x'] += sum_h R[o, h] R[p, h] <E[x, h], E[x', h]> with
E[x, h] = sum_s D[x, h, s] P[x, s]: one gradient a unit, not one for each unit and output. The bias is one more entry
of E.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._problem import Problem
from hpnets.ntk._rules.base import fold_channels, fold_positions, fold_rows
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import State, Term
from hpnets.ntk._terms.separable import readout_rows, unit_gradients
from hpnets.ntk._terms.units import add_unit_products, units_numel


@dataclass(frozen=True)
class Pooled(Term):
    """The term with the factor E (H, n, I), where I counts an entry for the bias."""

    layers: tuple[Layer]
    weight: bool
    bias: bool
    readout: Layer
    selection: OutputSelection
    contraction = "pooled"
    even = True
    axes: ClassVar[dict[str, int | None]] = {"E": 1, "R": None}

    @property
    def shape(self) -> tuple[int, int]:
        """(H, I), where I counts an entry for the bias."""
        geometry = self.layers[0].outer[1]
        return geometry.H, self.weight * geometry.I + self.bias

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        H, I = self.shape
        return {"E": (H, n, I), "R": (C, H)}

    def begin(self, params: Params, tape: Tape, state: State, rows: slice) -> None:
        (layer,) = self.layers
        rule, n, call = layer.outer[0], rows.stop - rows.start, layer.only_call(tape)
        D = unit_gradients(tape, self.readout, self.layers)[0].unsqueeze(0)
        if self.weight:
            G = fold_channels(rule.channels(call.module, D), n)[0, :, 0]
            P = fold_positions(rule.prepare(call.module, call.A), n)[:, 0]
            state["E"][:, rows, : P.shape[2]] = torch.bmm(G, P).transpose(0, 1)
        if self.bias:
            state["E"][:, rows, -1] = fold_rows(rule.bias(call.module, D), n)[0].T
        state["R"].copy_(readout_rows(params, tape, self.readout, self.selection))

    def summed(self, state: State, u: Tensor) -> Tensor:
        return u @ state["R"]

    def pulled(self, state: State, Gu: Tensor, mixes: Params) -> dict[str, Tensor]:
        total = torch.einsum("nh,hni->hi", Gu, state["E"])
        weight = self.layers[0].outer[0].weight(total[None, None, None, :, : self.shape[1] - self.bias])
        parts = {"weight": weight.flatten(), "bias": total[:, -1]}
        return {name: parts[local] for local, name in self.layers[0].parameters}

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        R = left["R"]
        if k.ndim == 2:
            k, R = k[None, :, None], R.square().sum(0, keepdim=True).sqrt()
        add_unit_products(k, left["E"], right["E"], R, None, symmetric)

    def begin_numel(self) -> int:
        return self.layers[0].kept + 4 * self.layers[0].outputs

    def scratch_numel(self, problem: Problem) -> int:
        return units_numel(self.shape[0], problem.n1, problem.n2, self.shape[1], 1 if problem.flat else problem.C)

    def flops(self, problem: Problem) -> float:
        H, I = self.shape
        return 2.0 * problem.n1 * problem.n2 * H * (I + (1 if problem.flat else problem.C * (problem.C + 1) / 2))
