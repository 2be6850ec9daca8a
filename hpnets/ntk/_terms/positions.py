r"""The term of a large weight with few positions (late convolutions, tokens): P (n, q, S, I) and G (n, q, C, H, S).

They are contracted by "sandwich", sum_st G[o, h, s] (P_s . P'_t) G'[p, h, t], or by "chunks", which forms the gradients
G P of some units h at a time.
"""

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
from hpnets.ntk._terms.base import BLOCK, State, Term, add_products, block_numel

# In "sandwich" T is written and read once for each pair of samples, so fewer positions than this take as long as this
# many.
LEAST_POSITIONS = 40
# "chunks" forms this many scalars of gradients at a time, for each of the two sides.
CHUNK = 2**21


@dataclass(frozen=True)
class Positions(Term):
    """The term of one layer's weight."""

    layers: tuple[Layer]
    contraction: str  # "sandwich" or "chunks"
    watches = True
    axes: ClassVar[dict[str, int | None]] = {"P": 0, "G": 0}

    @property
    def shape(self) -> Geometry:
        return self.layers[0].outer[1]

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        q, S, I, H = self.shape
        return {"P": (n, q, S, I), "G": (n, q, C, H, S)}

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
            state["G"][rows, :, columns, :, at : at + G.shape[4]] = 0 if G.is_meta else G
            at += G.shape[4]

    def pull(self, state: State, u: Tensor) -> dict[str, Tensor]:
        G, P = state["G"], state["P"]
        n, q, _, H, S = G.shape
        Gu = (u[:, None, None] @ G.flatten(3)).view(n, q, H, S)
        weight = Gu.permute(1, 2, 0, 3).flatten(2) @ P.transpose(0, 1).flatten(1, 2)
        return dict.fromkeys(self.names, self.layers[0].outer[0].weight(weight[None, None]).flatten())

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        contract = _sandwich if self.contraction == "sandwich" else _chunks
        contract(k, left["P"], left["G"], right["P"], right["G"], symmetric)

    def begin_numel(self) -> int:
        return self.layers[0].kept

    def flops(self, problem: Problem) -> float:
        return (sandwich_flops if self.contraction == "sandwich" else chunks_flops)(self.shape, problem)

    def scratch_numel(self, problem: Problem) -> int:
        q, S, I, H = self.shape
        n1, n2, C = problem.n1, problem.n2, problem.C
        if self.contraction == "sandwich":
            return n1 * q * S * (S + 2 * C * H)
        unit = C * max(n1, n2) * q * I
        chunk = min(max(CHUNK, unit), unit * H)
        return 3 * chunk + block_numel(n1, n2, C, problem.flat)


def sandwich_flops(shape: Geometry, problem: Problem) -> float:
    """The operations of "sandwich": the products P P'^T, then G with it, then the result with G'."""
    q, S, I, H = shape
    return 2.0 * problem.n1 * problem.n2 * q * S * (S * I + problem.C * H * S + problem.pairs * H)


def sandwich_cost(shape: Geometry, problem: Problem) -> float:
    """The operations of large products that take as long as "sandwich", for comparison with `chunks_flops`."""
    q, S, _, H = shape
    moved = problem.C * H * max(0, LEAST_POSITIONS - S)
    return sandwich_flops(shape, problem) + 2.0 * problem.n1 * problem.n2 * q * S * moved


def chunks_flops(shape: Geometry, problem: Problem) -> float:
    """The operations of "chunks": the gradients of both sides, then their product."""
    q, S, I, H = shape
    n1, n2 = problem.n1, problem.n2
    return 2.0 * q * H * I * ((n1 + n2) * problem.C * S + n1 * n2 * problem.pairs)


def _sandwich(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    n, q, C, H, S = G1.shape
    for j in range(len(G2)):
        m = j + 1 if symmetric else n
        # gram (m, q, S, S) is that of the positions; T (m, q, C, H S) is G1 gram.
        gram = P1[:m] @ P2[j].transpose(-1, -2)
        T = (G1[:m].flatten(2, 3) @ gram).view(m, q, C, H * S)
        if k.ndim == 2:
            column = T.flatten(1) @ G2[j].flatten()
            k[:m, j] += column
            if symmetric:
                k[j, :j] += column[:j]
            continue
        block = (T.transpose(1, 2).reshape(m * C, -1) @ G2[j].transpose(0, 1).reshape(C, -1).T).view(m, C, C)
        k[:, :m, :, j] += block.transpose(0, 1)
        if symmetric:
            k[:, j, :, :j] += block[:j].permute(2, 1, 0)


def _chunks(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    C, H = G1.shape[2:4]
    step = max(1, CHUNK // (C * max(len(P1), len(P2)) * P1.shape[1] * P1.shape[3]))
    # Gradients come out with the samples first; they are put into k's order, which copies them, only where k is large.
    outputs_first = k.ndim == 4 and len(P1) * C > BLOCK
    for h in range(0, H, step):
        J1 = _gradients(P1, G1[:, :, :, h : h + step], outputs_first)
        J2 = J1 if symmetric else _gradients(P2, G2[:, :, :, h : h + step], outputs_first)
        if k.ndim == 2:
            add_products(k, J1.flatten(1)[None], J2.flatten(1)[None], None, symmetric)
        elif outputs_first:
            add_products(k, J1, J2, None, symmetric)
        else:
            products = J1.flatten(0, 1) @ J2.flatten(0, 1).T
            k += products.view(len(J1), C, len(J2), C).permute(1, 0, 3, 2)


def _gradients(P: Tensor, G: Tensor, outputs_first: bool) -> Tensor:
    """dW of the h units in G (n, q, C, h, S): (C, n, q h I), or else (n, C, q h I)."""
    n, q, C, h, _ = G.shape
    J = (G.flatten(2, 3) @ P).view(n, q, C, h, -1).transpose(1, 2)
    return J.transpose(0, 1).reshape(C, n, -1) if outputs_first else J.reshape(n, C, -1)
