"""Factors and their contraction: forward hooks take each layer's input A, backward passes its output gradient G.

No weight gradient is formed where A and G give its inner products directly. The samples are cut into tiles, of which
two at a time have their factors held and contracted; a tile is cut into chunks, whose activations are held during
their passes.
"""

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from hpnets.ntk._checks import check_rows
from hpnets.ntk._entries import is_wrong_entry
from hpnets.ntk._forms import laid_out
from hpnets.ntk._functional import Params
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._proof import Passes, Prover
from hpnets.ntk._rngs import Rngs
from hpnets.ntk._sites import Repeat
from hpnets.ntk._tape import Tape, output_gradients, record
from hpnets.ntk._terms import Functional, State, Term
from hpnets.ntk._terms.base import mirror
from hpnets.ntk._tiling import chunks, in_company


@dataclass(frozen=True)
class Schedule:
    """The numbers of samples of a tile and of a chunk, and whether one vectorised pass serves all outputs.

    proof: the number of samples of a plain pass of the proof that takes no more memory than the passes of a chunk.
    quick: whether the passes take functions in their quick backward forms. fixed: what the survey's pass repeated, but
    not for each sample.
    """

    tile: int
    chunk: int
    batched: bool
    proof: int = 0
    quick: bool = True
    fixed: frozenset[Repeat] = frozenset()


class Factors(NamedTuple):
    """Samples, and the state of each term for these samples."""

    x: Tensor
    states: list[State]


@dataclass
class TermWork:
    """The work of a kernel that `terms` cover; nothing is proven if `prover` is None.

    laid_out: the parameters in the layout in which watched passes are quickest.
    """

    net: nn.Module
    params: Params
    selection: OutputSelection
    terms: tuple[Term, ...]
    schedule: Schedule
    prover: Prover | None = None
    entry_proven: bool = field(init=False)
    laid_out: Params = field(init=False)

    def __post_init__(self) -> None:
        watched = self.schedule.quick and any(term.layers for term in self.terms)
        self.laid_out = laid_out(self.net, self.params) if watched else self.params
        self.entry_proven = self.prover is None or self.prover.done

    @property
    def tile(self) -> int:
        return self.schedule.tile

    def factors(self, x: Tensor, old: Factors | None, first: bool, others: tuple[Tensor, ...]) -> Factors:
        """The states of all terms for the samples of x, made chunk by chunk; a lone one runs beside another."""
        several = in_company(x, others)
        reused: list[State] = [{}] * len(self.terms) if old is None else old.states
        C = self.selection.columns
        states = [term.allocate(len(several), C, x, s) for term, s in zip(self.terms, reused, strict=True)]
        prover = self.prover if first and self.prover is not None and not self.prover.done else None
        passes, rngs = Passes(several), Rngs(() if prover is None else self.net.modules(), x.device)
        for rows in chunks(len(several), self.schedule.chunk):
            before = None if prover is None else rngs.state()
            y = self._fill(several[rows], states, rows)
            if y is not None:
                check_rows(y, rows.stop - rows.start)
            if prover is not None:
                y = prover.outputs(several[rows]) if y is None else y
                passes.made.append((rows, y, before != rngs.state()))
        if prover is not None:
            prover.prove_factors(passes, states, self.laid_out, max(self.schedule.chunk, self.schedule.proof))
        if len(x) == 1:
            states = [term.part(state, slice(0, 1)) for term, state in zip(self.terms, states, strict=True)]
        return Factors(x, states)

    def _fill(self, x: Tensor, states: list[State], rows: slice) -> Tensor | None:
        """Fill the states' rows; return the outputs at x, or None if no term has layers."""
        y = self._record(x, states, rows)
        for term, state in zip(self.terms, states, strict=True):
            if isinstance(term, Functional):
                term.fill(self.net, self.params, x, self.selection, state, rows)
        return y

    def _record(self, x: Tensor, states: list[State], rows: slice) -> Tensor | None:
        """Fill the states of terms with layers; return the outputs at x, or None if there are no such terms."""
        layers = [layer for term in self.terms for layer in term.layers]
        if not layers:
            return None
        wanted = {name for layer in layers for name in layer.names}
        leaves = {name: p.detach().requires_grad_(name in wanted) for name, p in self.laid_out.items()}
        watched = {name for layer in layers for name in layer.modules}
        quick, fixed = self.schedule.quick, self.schedule.fixed
        tape = record(self.net, leaves, x, watched, quick, to_leaves=False, fixed=fixed)
        for term, state in zip(self.terms, states, strict=True):
            term.begin(self.laid_out, tape, state, rows)
        self._backward(tape, states, rows)
        return tape.y.detach()

    def _backward(self, tape: Tape, states: list[State], rows: slice) -> None:
        edges = list({id(edge): edge for term in self.terms for edge in term.edges(tape)}.values())
        # What no later term takes is freed, so that the next factors can use its memory.
        last = {id(edge): id(term) for term in self.terms for edge in term.edges(tape)}
        done = {id(term): [edge for edge, at in last.items() if at == id(term)] for term in self.terms}
        for columns, gradients in output_gradients(tape, edges, self.selection.cotangents, self.schedule.batched):
            grads = {id(edge): g for edge, g in zip(edges, gradients, strict=True) if g is not None}
            gradients.clear()
            for term, state in zip(self.terms, states, strict=True):
                term.take(tape, state, rows, columns, grads)
                for edge in done[id(term)]:
                    grads.pop(edge, None)

    def contract(self, k: Tensor, left: Factors, right: Factors, symmetric: bool) -> None:
        """Write the sum over the terms into k; of the first tile, a random row or entry is proven."""
        contract(k, self.terms, left.states, right.states, symmetric)
        if self.prover is not None and not self.entry_proven:
            self.entry_proven = True
            self.prover.conclude(wrong=self._is_wrong(self.prover, k, left, right, symmetric))

    def _is_wrong(self, prover: Prover, k: Tensor, left: Factors, right: Factors, symmetric: bool) -> bool:
        """Whether a random row of k is wrong, or where none is known a random entry."""
        if symmetric and prover.row is not None and prover.row.states is left.states:
            return prover.row.is_wrong(k if k.ndim == 4 else k[None, :, None])
        n1, n2 = len(left.x), len(right.x)
        a, b = random.randrange(n1), random.randrange(n2)
        if symmetric and a == b and n1 > 1:
            b = (a + 1) % n1
        one, other = slice(a, a + 1), slice(b, b + 1)
        l = [term.part(state, one) for term, state in zip(self.terms, left.states, strict=True)]
        r = [term.part(state, other) for term, state in zip(self.terms, right.states, strict=True)]
        entries = [k[a, b] if k.ndim == 2 else k[:, a, :, b]]
        if symmetric:
            entries.append(k[b, a] if k.ndim == 2 else k[:, b, :, a].T)
        return is_wrong_entry(self.terms, self.selection, l, r, entries)


def contract(k: Tensor, terms: tuple[Term, ...], left: list[State], right: list[State], symmetric: bool) -> None:
    """Write the sum over the terms into k, (n1, n2) or (C, n1, C, n2)."""
    k.zero_()
    for term, l, r in zip(terms, left, right, strict=True):
        term.contract(k, l, r, symmetric)
    if symmetric:
        mirror(k, even=all(term.even for term in terms))
