r"""Hadamard chains: layers whose unit h reaches the read-out's input h alone, so that G[o, x, h] = R[o, h] D[x, h].

One pass gives D where the generic path needs one an output, and the sum over h is symmetric in the samples too:
K[o, x, p, x'] += (A A^T + 1)[x, x'] sum_h R[o, h] R[p, h] D[x, h] D[x', h], R = V^T W of the read-out's weight W.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpnets.ntk.functional import Params
from hpnets.ntk.layers import Layer, diagonals
from hpnets.ntk.outputs import Mode
from hpnets.ntk.tape import Tape
from hpnets.ntk.terms.base import BLOCK, State, block_numel
from hpnets.ntk.terms.gram import Dense

# Samples of a block of columns where the product is symmetric in them: fewer waste less, more keep the GEMM's rate.
SAMPLES = 64


class NotSeparable(Exception):
    """A sample on which a layer's units mix, though they did not on the samples that the plan looked at."""


def proven_diagonals(net: nn.Module, tape: Tape, readout: Layer, layers: tuple[Layer, ...]) -> list[Tensor]:
    """`diagonals` of all layers; raises NotSeparable where a sample has none."""
    found = [d for d in diagonals(net, tape, readout, layers) if d is not None]
    if len(found) < len(layers):
        raise NotSeparable
    return found


def readout_rows(net: nn.Module, params: Params, tape: Tape, readout: Layer, mode: Mode) -> Tensor:
    """R (C, H) = V^T W."""
    ((last, _),) = readout.calls(net, tape)
    name = readout.locals.get("weight")
    return mode.cotangents.T @ (last.get_parameter("weight").detach() if name is None else params[name])


@dataclass(frozen=True)
class Separable(Dense):
    """D (n, H) from one backward pass, and one more that proves it for every sample."""

    readout: Layer
    mode: Mode
    rule = "separable"

    def allocate(self, n: int, C: int, like: Tensor) -> State:
        return super().allocate(n, C, like) | {"D": like.new_empty(n, self.units), "R": like.new_empty(C, self.units)}

    def begin(self, net: nn.Module, params: Params, tape: Tape, state: State, rows: slice) -> None:
        super().begin(net, params, tape, state, rows)
        found = proven_diagonals(net, tape, self.readout, self.layers)
        torch.cat([d.flatten(1) for d in found], dim=1, out=state["D"][rows])
        state["R"].copy_(readout_rows(net, params, tape, self.readout, self.mode).repeat(1, len(self.layers)))

    def part(self, state: State, rows: slice) -> State:
        return super().part(state, rows) | {"D": state["D"][rows], "R": state["R"]}

    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        gram, R = self.input_gram(left, right), left["R"]
        if k.ndim == 2:
            product = (left["D"] * R.square().sum(0)) @ right["D"].T
            k += product.mul_(gram)
            return
        step = SAMPLES if symmetric else BLOCK
        # (samples' block, C, step, H), so that the rows of one block and of outputs p >= o lie side by side.
        blocks = [part * R[:, None] for part in right["D"].split(step)]
        for o, row in enumerate(R):
            scaled, first = left["D"] * row, o if symmetric else 0
            for b, block in enumerate(blocks):
                columns = slice(b * step, b * step + block.shape[1])
                above = slice(0, columns.stop) if symmetric else slice(None)
                product = scaled[above] @ block[first:].flatten(0, 1).T
                product = product.view(-1, len(R) - first, block.shape[1]).mul_(gram[above, None, columns])
                k[o, above, first:, columns] += product
                if symmetric:
                    # For each (o, p) the share is symmetric in the samples.
                    k[o, columns, first:, : columns.start] += product[: columns.start].permute(2, 1, 0)

    def state_numel(self, C: int) -> int:
        return super().state_numel(C) + self.units

    def scratch_numel(self, n1: int, n2: int, C: int, flat: bool) -> int:
        if flat:
            return 2 * block_numel(n1, n2, C, flat) + min(BLOCK, n1) * self.units
        return n1 * n2 + n1 * C * min(BLOCK, n2) + (n1 + C * n2) * self.units

    def flops(self, n1: int, n2: int, C: int, flat: bool) -> float:
        return super().flops(n1, n2, C, flat) + 2.0 * n1 * n2 * self.units * (1 if flat else C * C)
