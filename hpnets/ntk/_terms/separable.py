r"""The term of Hadamard chains, layers whose unit h reaches the read-out's input h alone: G[o, x, h] = R[o, h] D[x, h].

One pass gives D where the generic path needs one an output, and layers n that share an input A share a sum over h:
K[o, x, p, x'] += (A A^T + 1)[x, x'] sum_h R[o, h] R[p, h] sum_n D_n[x, h] D_n[x', h], R = V^T W of the read-out's W.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hpnets.ntk._chain import diagonals, read_weight
from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._problem import Problem
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import BLOCK, State, add_products, block_numel
from hpnets.ntk._terms.gram import Dense
from hpnets.ntk._terms.units import add_unit_products, units_numel


def unit_gradients(tape: Tape, readout: Layer, layers: tuple[Layer, ...]) -> list[Tensor]:
    """D of each layer, shaped as its output: dy_N[h] / dz[h], zero if the layer does not reach the read-out."""
    ones = torch.ones_like(readout.only_call(tape).A)
    shapes = [layer.only_call(tape).shape for layer in layers]
    D = diagonals(tape, readout, layers, ones)
    return [ones.new_zeros(shape) if d is None else d for d, shape in zip(D, shapes, strict=True)]


def readout_rows(params: Params, tape: Tape, readout: Layer, selection: OutputSelection) -> Tensor:
    """R (C, H) = V^T W."""
    W = read_weight(params, tape, readout)
    assert W is not None
    return selection.cotangents.T @ W.detach()


def by_unit(D: Tensor) -> Tensor:
    """D (layers, n, H) as (H, n, layers), a copy, since products of one unit need its gradients side by side."""
    return D.permute(2, 1, 0).contiguous()


@dataclass(frozen=True)
class Separable(Dense):
    """The term that takes D (layers, n, H) from one backward pass."""

    readout: Layer
    selection: OutputSelection
    contraction = "separable"
    even = True
    axes: ClassVar[dict[str, int | None]] = {"A": 0, "D": 1, "R": None}

    @property
    def shape(self) -> tuple[int, int]:
        """(H of one layer, the number of layers)."""
        return self.units // len(self.layers), len(self.layers)

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        H, layers = self.shape
        return super().shapes(n, C) | {"D": (layers, n, H), "R": (C, H)}

    def begin(self, params: Params, tape: Tape, state: State, rows: slice) -> None:
        super().begin(params, tape, state, rows)
        for D, d in zip(state["D"], unit_gradients(tape, self.readout, self.layers), strict=True):
            D[rows] = d.flatten(1)
        state["R"].copy_(readout_rows(params, tape, self.readout, self.selection))

    def summed(self, state: State, u: Tensor) -> Tensor:
        D = state["D"].transpose(0, 1)
        return torch.mul(D, (u @ state["R"])[:, None], out=D.new_empty(D.shape)).flatten(1)

    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        gram, R = self.input_gram(left, right), left["R"]
        if k.ndim == 4:
            E1 = by_unit(left["D"])
            add_unit_products(k, E1, E1 if symmetric else by_unit(right["D"]), R, gram, symmetric)
            return
        # With the sum over outputs, sum_o R[o, h]^2 scales D, and the sum over h is one product.
        add_products(k, left["D"] * R.square().sum(0), right["D"], gram, symmetric)

    def begin_numel(self) -> int:
        return 2 * self.units

    def scratch_numel(self, problem: Problem) -> int:
        n1, n2, C = problem.n1, problem.n2, problem.C
        if problem.flat:
            return 2 * block_numel(n1, n2, C, True) + min(BLOCK, n1) * self.units
        E = (n1 + n2) * self.units
        return n1 * n2 + E + units_numel(self.shape[0], n1, n2, self.shape[1], C)

    def flops(self, problem: Problem) -> float:
        H, layers = self.shape
        C = problem.C
        sums = H * layers if problem.flat else H * (layers + C * (C + 1) / 2)
        return super().flops(problem) + 2.0 * problem.n1 * problem.n2 * sums
