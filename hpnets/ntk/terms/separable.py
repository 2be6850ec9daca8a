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
from hpnets.ntk.terms.base import State
from hpnets.ntk.terms.gram import Dense


class NotSeparable(Exception):
    """A sample on which a layer's units mix, though they did not on the samples that the plan looked at."""


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
        ((last, last_call),) = self.readout.calls(net, tape)
        edges = [call.edge for layer in self.layers for _, call in layer.calls(net, tape)]
        found = diagonals(last_call, edges)
        if any(d is None for d in found):
            raise NotSeparable
        torch.cat([d for d in found if d is not None], dim=1, out=state["D"][rows])
        name = self.readout.locals.get("weight")
        W = last.get_parameter("weight") if name is None else params[name]
        state["R"].copy_((self.mode.cotangents.T @ W.detach()).repeat(1, len(self.layers)))

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        gram, R = self.input_gram(left, right), left["R"]
        if k.ndim == 2:
            product = (left["D"] * R.square().sum(0)) @ right["D"].T
            k += product.mul_(gram)
            return
        scaled = right["D"] * R[:, None]
        for o in range(len(R)):
            first = o if symmetric else 0
            product = _products(left["D"] * R[o], scaled[first:], symmetric)
            k[o, :, first:].addcmul_(product.transpose(0, 1), gram[:, None])

    def state_numel(self, C: int) -> int:
        return super().state_numel(C) + self.units

    def scratch_numel(self, n1: int, n2: int, C: int, flat: bool) -> int:
        if flat:
            return 2 * n1 * n2 + n1 * self.units
        return n1 * n2 * (1 + 2 * C) + (n1 + C * n2) * self.units

    def flops(self, n1: int, n2: int, C: int, flat: bool) -> float:
        return super().flops(n1, n2, C, flat) + 2.0 * n1 * n2 * self.units * (1 if flat else C * C)


def _products(a: Tensor, b: Tensor, symmetric: bool) -> Tensor:
    """a b_p^T for each p of b (P, n2, H): (P, n1, n2). If each is symmetric, its upper blocks are enough."""
    if not symmetric or len(a) < 64:
        return torch.matmul(a, b.transpose(1, 2))
    product = b.new_empty(len(b), len(a), len(a))
    step = -(-len(a) // 4)
    for i in range(0, len(a), step):
        rows, after = slice(i, i + step), slice(min(i + step, len(a)), None)
        product[:, rows, i:] = torch.matmul(a[rows], b[:, i:].transpose(1, 2))
        product[:, after, rows] = product[:, rows, after].transpose(1, 2)
    return product
