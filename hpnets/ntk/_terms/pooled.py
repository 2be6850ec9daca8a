r"""Separable layers met at many positions, as the last convolution before pooling: G[o, x, h, s] = R[o, h] D[x, h, s].

K[o, x, p, x'] += sum_h R[o, h] R[p, h] <E[x, h], E[x', h]>, E[x, h] = sum_s D[x, h, s] P[x, s]: one gradient a unit
instead of one for each output too. The bias is one more entry of E.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import Params
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rules.base import OuterRule, fold_channels, fold_positions, fold_rows
from hpnets.ntk._survey import Layer
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import State, Term
from hpnets.ntk._terms.separable import proven_diagonals, readout_rows
from hpnets.ntk._terms.units import add_unit_products, units_numel


@dataclass(frozen=True)
class Pooled(Term):
    """E (H, n, I), I with an entry for the bias."""

    layers: tuple[Layer]
    weight: bool
    bias: bool
    readout: Layer
    selection: OutputSelection
    rule = "pooled"
    even = True

    @property
    def shape(self) -> tuple[int, int]:
        """H, I."""
        assert self.layers[0].positions is not None
        _, _, I, H = self.layers[0].positions
        return H, self.weight * I + self.bias

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        H, I = self.shape
        return {"E": (H, n, I), "R": (C, H)}

    def begin(self, net: nn.Module, params: Params, tape: Tape, state: State, rows: slice) -> None:
        (layer,) = self.layers
        rule, n = layer.rule, rows.stop - rows.start
        assert isinstance(rule, OuterRule)
        ((module, call),) = layer.calls(net, tape)
        D = proven_diagonals(net, tape, self.readout, self.layers)[0].unsqueeze(0)
        if self.weight:
            G = fold_channels(rule.channels(module, D), n)[0, :, 0]
            P = fold_positions(rule.prepare(module, call.A), n)[:, 0]
            state["E"][:, rows, : P.shape[2]] = torch.bmm(G, P).transpose(0, 1)
        if self.bias:
            state["E"][:, rows, -1] = fold_rows(rule.bias(module, D), n)[0].T
        state["R"].copy_(readout_rows(net, params, tape, self.readout, self.selection))

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        R = left["R"]
        if k.ndim == 2:
            k, R = k[None, :, None], R.square().sum(0, keepdim=True).sqrt()
        add_unit_products(k, left["E"], right["E"], R, None, symmetric)

    def begin_numel(self) -> int:
        return self.layers[0].kept + 4 * self.layers[0].outputs

    def scratch_numel(self, n1: int, n2: int, C: int, flat: bool) -> int:
        return units_numel(self.shape[0], n1, n2, self.shape[1], 1 if flat else C)

    def flops(self, n1: int, n2: int, C: int, flat: bool) -> float:
        H, I = self.shape
        return 2.0 * n1 * n2 * H * (I + (1 if flat else C * (C + 1) / 2))
