r"""Hadamard chains: layers whose unit h reaches the read-out's input h alone, so that G[o, x, h] = R[o, h] D[x, h].

One pass gives D where the generic path needs one an output, and layers n with one input A share a sum over h:
K[o, x, p, x'] += (A A^T + 1)[x, x'] sum_h R[o, h] R[p, h] sum_n D_n[x, h] D_n[x', h], R = V^T W of the read-out's W.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import Params
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._survey import Layer, diagonals
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import BLOCK, State, block_numel
from hpnets.ntk._terms.gram import Dense
from hpnets.ntk._terms.units import add_unit_products, units_numel


class NotSeparable(Exception):
    """A sample on which a layer's units mix, though they did not on the samples that the plan looked at."""


def proven_diagonals(net: nn.Module, tape: Tape, readout: Layer, layers: tuple[Layer, ...]) -> list[Tensor]:
    """`diagonals` of all layers; raises NotSeparable where a sample has none."""
    found = [d for d in diagonals(net, tape, readout, layers) if d is not None]
    if len(found) < len(layers):
        raise NotSeparable
    return found


def readout_rows(net: nn.Module, params: Params, tape: Tape, readout: Layer, selection: OutputSelection) -> Tensor:
    """R (C, H) = V^T W."""
    ((last, _),) = readout.calls(net, tape)
    name = readout.locals.get("weight")
    return selection.cotangents.T @ (last.get_parameter("weight").detach() if name is None else params[name])


@dataclass(frozen=True)
class Separable(Dense):
    """D (H, n, layers) from one backward pass, and one more that proves it for every sample."""

    readout: Layer
    selection: OutputSelection
    rule = "separable"
    even = True

    @property
    def shape(self) -> tuple[int, int]:
        """H of one layer, and the layers."""
        return self.units // len(self.layers), len(self.layers)

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        H, layers = self.shape
        return super().shapes(n, C) | {"D": (H, n, layers), "R": (C, H)}

    def begin(self, net: nn.Module, params: Params, tape: Tape, state: State, rows: slice) -> None:
        super().begin(net, params, tape, state, rows)
        found = proven_diagonals(net, tape, self.readout, self.layers)
        state["D"][:, rows] = torch.stack([d.flatten(1).T for d in found], dim=2)
        state["R"].copy_(readout_rows(net, params, tape, self.readout, self.selection))

    def part(self, state: State, rows: slice) -> State:
        return super().part(state, rows) | {"D": state["D"][:, rows], "R": state["R"]}

    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        gram, R = self.input_gram(left, right), left["R"]
        if k.ndim == 4:
            add_unit_products(k, left["D"], right["D"], R, gram, symmetric)
            return
        # Summed over the outputs too, the sums over h and over layers are one product.
        D1, D2 = (D.transpose(0, 1).flatten(1) for D in (left["D"] * R.square().sum(0)[:, None, None], right["D"]))
        k += (D1 @ D2.T).mul_(gram)

    def begin_numel(self) -> int:
        return 3 * self.units

    def scratch_numel(self, n1: int, n2: int, C: int, flat: bool) -> int:
        if flat:
            return 2 * block_numel(n1, n2, C, flat) + (2 * min(BLOCK, n1) + n2) * self.units
        return n1 * n2 + units_numel(self.shape[0], n1, n2, self.shape[1], C)

    def flops(self, n1: int, n2: int, C: int, flat: bool) -> float:
        H, layers = self.shape
        sums = H * layers if flat else H * (layers + C * (C + 1) / 2)
        return super().flops(n1, n2, C, flat) + 2.0 * n1 * n2 * sums
