r"""Dense layers: K += (A A^T [+ 1 for the bias]) * (G G^T); layers with one input A side by side in G."""

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from hpnets.ntk._functional import Params
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rules.base import OuterRule
from hpnets.ntk._survey import Layer
from hpnets.ntk._tape import Tape
from hpnets.ntk._terms.base import State, Term, add_products, block_numel, row_blocks


@dataclass(frozen=True)
class Dense(Term):
    """What the three dense terms share: the input's Gram matrix."""

    layers: tuple[Layer, ...]
    weight: bool
    bias: bool

    @property
    def inputs(self) -> int:
        """I."""
        assert self.layers[0].positions is not None
        return self.layers[0].positions[2]

    @property
    def units(self) -> int:
        """H, summed over the layers."""
        return sum(layer.positions[3] for layer in self.layers if layer.positions is not None)

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        return {"A": (n, self.inputs)}

    def begin(self, net: nn.Module, params: Params, tape: Tape, state: State, rows: slice) -> None:
        calls = [call for layer in self.layers for call in layer.calls(net, tape)]
        assert len({call.source for _, call in calls}) == 1, "layers that shared an input no longer do"
        module, call = calls[0]
        state["A"][rows] = self.layers[0].rule.prepare(module, call.A).flatten(1)

    def input_gram(self, left: State, right: State) -> Tensor:
        """A A^T, + 1 for the bias."""
        if not self.weight:
            return left["A"].new_ones(len(left["A"]), len(right["A"]))
        gram = left["A"] @ right["A"].T
        return gram.add_(1) if self.bias else gram

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        if k.ndim == 4:
            self.add(k, left, right, symmetric)
            return
        # Without output axes the Gram matrix is as large as k: it is made a block of rows at a time.
        for r, c in row_blocks(len(k), symmetric):
            self.add(k[r, c], self.part(left, r), self.part(right, c), False)

    @abstractmethod
    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        """`contract` of the whole k."""

    def part(self, state: State, rows: slice) -> State:
        """The state of some of its samples."""
        return {"A": state["A"][rows]}

    def flops(self, n1: int, n2: int, C: int, flat: bool) -> float:
        return 2.0 * n1 * n2 * self.inputs

    def scratch_numel(self, n1: int, n2: int, C: int, flat: bool) -> int:
        return 2 * block_numel(n1, n2, C, flat) if flat else n1 * n2 + block_numel(n1, n2, C, flat)


@dataclass(frozen=True)
class Gram(Dense):
    """G (C, n, H) from one backward pass an output."""

    rule = "gram"
    watches = True

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        return super().shapes(n, C) | {"G": (C, n, self.units)}

    def edges(self, net: nn.Module, tape: Tape) -> list:
        return [call.edge for layer in self.layers for _, call in layer.calls(net, tape)]

    def take(
        self, net: nn.Module, tape: Tape, state: State, rows: slice, columns: slice, grads: dict[int, Tensor]
    ) -> None:
        start = 0
        for layer in self.layers:
            ((module, call),) = layer.calls(net, tape)
            assert isinstance(layer.rule, OuterRule)
            assert layer.positions is not None
            stop = start + layer.positions[3]
            if id(call.edge) not in grads:
                state["G"][columns, rows, start:stop] = 0
            else:
                state["G"][columns, rows, start:stop] = layer.rule.channels(module, grads[id(call.edge)]).flatten(2)
            start = stop

    def part(self, state: State, rows: slice) -> State:
        return super().part(state, rows) | {"G": state["G"][:, rows]}

    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        add_products(k, left["G"], right["G"], self.input_gram(left, right), symmetric)

    def flops(self, n1: int, n2: int, C: int, flat: bool) -> float:
        return super().flops(n1, n2, C, flat) + 2.0 * n1 * n2 * self.units * (C if flat else C * C)


@dataclass(frozen=True)
class Readout(Dense):
    """The layer whose output is f: its G is V, the same for every sample, so K += (V^T V) * (A A^T + 1)."""

    selection: OutputSelection
    rule = "readout"
    even = True

    def add(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        gram = self.input_gram(left, right)
        if k.ndim == 2:
            k.add_(gram, alpha=float(self.selection.cotangents.square().sum()))
            return
        VV = self.selection.cotangents.T @ self.selection.cotangents
        for o, p in VV.nonzero().tolist():
            k[o, :, p].add_(gram, alpha=float(VV[o, p]))


def flags(layer: Layer) -> tuple[bool, bool]:
    """Which of weight and bias a layer's term is of."""
    return "weight" in layer.locals, "bias" in layer.locals
