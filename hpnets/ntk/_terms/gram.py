r"""Terms of dense layers: K += (A A^T [+ 1 for the bias]) * (G G^T); layers that share an input A share G."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.autograd.graph import GradientEdge

from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._problem import Problem
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import State, Term, add_products, block_numel, is_mixable, row_blocks, write_product


@dataclass(frozen=True)
class Dense(Term):
    """The base of the three dense terms, with the Gram matrix of the input; weight, bias: whether K has their share."""

    layers: tuple[Layer, ...]
    weight: bool
    bias: bool

    @property
    def inputs(self) -> int:
        """I, the inputs of a layer."""
        return self.layers[0].outer[1].I

    @property
    def units(self) -> int:
        """H, the units of all layers together."""
        return sum(layer.outer[1].H for layer in self.layers)

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        return {"A": (n, self.inputs)}

    def begin(self, params: Params, tape: Tape, state: State, rows: slice) -> None:
        # The proof of the gradients also shows that the other layers have this one's input.
        call = self.layers[0].only_call(tape)
        state["A"][rows] = self.layers[0].rule.prepare(call.module, call.A).flatten(1)

    def input_gram(self, left: State, right: State) -> Tensor:
        """A A^T (n1, n2), + 1 for the bias."""
        if not self.weight:
            return left["A"].new_ones(len(left["A"]), len(right["A"]))
        A, B = left["A"], right["A"]
        gram = write_product(A.new_empty(len(A), len(B)), A, B)
        return gram.add_(1) if self.bias else gram

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        if k.ndim == 4:
            self.add(k, left, right, symmetric)
            return
        # Without output axes the Gram matrix is as large as k, so it is made for one block of rows at a time.
        for r, c in row_blocks(len(k), symmetric):
            self.add(k[r, c], self.part(left, r), self.part(right, c), False)

    @abstractmethod
    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        """`contract`, for the whole k at once."""

    def mixable(self, params: Params) -> tuple[str, ...]:
        large = self.weight and all(is_mixable(layer, params) for layer in self.layers)
        equal = len({layer.outer[1].H for layer in self.layers}) == 1
        return tuple(layer.locals["weight"] for layer in self.layers) if large and equal else ()

    def pulled(self, state: State, Gu: Tensor, mixes: Params) -> dict[str, Tensor]:
        """`Term.pulled` from the gradients Gu (n, units) of sum_i u_i . V^T f(x_i) at the outputs."""
        sizes = [layer.outer[1].H for layer in self.layers]
        of_all = {"weight": self._weights(state["A"], Gu, sizes, mixes)} if self.weight else {}
        if self.bias:
            of_all["bias"] = Gu.sum(0).split(sizes)
        gradients: dict[str, Tensor] = {}
        for i, layer in enumerate(self.layers):
            rule, _ = layer.outer
            for local, name in layer.parameters:
                own = of_all[local][i]
                if local == "bias":
                    gradients[name] = rule.scalars(own)
                else:
                    gradients[name] = own.flatten() if name in mixes else rule.weight(own[None, None, None]).flatten()
        return gradients

    def _weights(self, A: Tensor, Gu: Tensor, sizes: list[int], mixes: Params) -> tuple[Tensor, ...]:
        """Of each layer the weight's gradient g (H, I), or M g if it is mixed; all layers share M then."""
        M = mixes.get(self.layers[0].locals["weight"])
        if M is None:
            return (Gu.T @ A).split(sizes)
        rows = Gu.view(len(Gu), len(self.layers), -1) @ M.T
        return (rows.flatten(1).T @ A).split(len(M))

    def row(self, state: State, u: Tensor, a: int, Gu: Tensor, pulled: Params) -> Tensor:
        """`Term.row` by the factors, <Gu_a, Gu_i> (A_a . A_i + 1), so that weights may be mixed in `pulled`."""
        A, products = state["A"], Gu @ Gu[a]
        if not self.weight:
            return products.sum()
        gram = A @ A[a]
        return (gram.add_(1) if self.bias else gram) @ products

    def flops(self, problem: Problem) -> float:
        return 2.0 * problem.n1 * problem.n2 * self.inputs

    def scratch_numel(self, problem: Problem) -> int:
        block = block_numel(problem.n1, problem.n2, problem.C, problem.flat)
        return 2 * block if problem.flat else problem.n1 * problem.n2 + block


@dataclass(frozen=True)
class Gram(Dense):
    """The term that takes G (C, n, H) from one backward pass an output."""

    contraction = "gram"
    watches = True
    axes: ClassVar[dict[str, int | None]] = {"A": 0, "G": 1}

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        return super().shapes(n, C) | {"G": (C, n, self.units)}

    def edges(self, tape: Tape) -> list[GradientEdge]:
        return [layer.only_call(tape).edge for layer in self.layers]

    def take(self, tape: Tape, state: State, rows: slice, columns: slice, grads: dict[int, Tensor]) -> None:
        start = 0
        for layer in self.layers:
            call, (rule, geometry) = layer.only_call(tape), layer.outer
            stop = start + geometry.H
            if id(call.edge) not in grads:
                state["G"][columns, rows, start:stop] = 0
            else:
                state["G"][columns, rows, start:stop] = rule.channels(call.module, grads[id(call.edge)]).flatten(2)
            start = stop

    def summed(self, state: State, u: Tensor) -> Tensor:
        return (u[:, None] @ state["G"].transpose(0, 1))[:, 0]

    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        add_products(k, left["G"], right["G"], self.input_gram(left, right), symmetric)

    def flops(self, problem: Problem) -> float:
        return super().flops(problem) + 2.0 * problem.n1 * problem.n2 * self.units * problem.pairs


@dataclass(frozen=True)
class Readout(Dense):
    """The term of the layer whose output is f: its G is V for every sample, so K += (V^T V) * (A A^T + 1)."""

    selection: OutputSelection
    contraction = "readout"
    even = True
    axes: ClassVar[dict[str, int | None]] = {"A": 0}

    def summed(self, state: State, u: Tensor) -> Tensor:
        return self.selection.seeds(u)

    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        gram = self.input_gram(left, right)
        if k.ndim == 2:
            k.add_(gram, alpha=float(self.selection.cotangents.square().sum()))
            return
        VV = self.selection.cotangents.T @ self.selection.cotangents
        for o, p in VV.nonzero().tolist():
            k[o, :, p].add_(gram, alpha=float(VV[o, p]))


def flags(layer: Layer) -> tuple[bool, bool]:
    """(weight, bias): whether the layer has a weight, and whether it has a bias, for its term."""
    return "weight" in layer.locals, "bias" in layer.locals
