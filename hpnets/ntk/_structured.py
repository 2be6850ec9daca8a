"""Algorithm `structured`: forward hooks take each layer's input A, backward passes its output gradient G; K from those.

No weight gradient is formed where A and G give its inner products directly. The samples are cut into tiles, whose
factors two at a time are held and contracted, and a tile into chunks, whose activations are held during the passes.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from hpnets.linalg import tiles
from hpnets.ntk._budget import Driver, tiled_kernel
from hpnets.ntk._functional import Params
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._tape import Tape, output_gradients, record
from hpnets.ntk._terms import State, Term
from hpnets.ntk._terms.base import mirror

Factors = list[State]


@dataclass(frozen=True)
class Schedule:
    """Samples of a tile and of a chunk, and whether the passes for all outputs are one vectorised pass."""

    tile: int
    chunk: int
    batched: bool


def structured_kernel(
    net: nn.Module,
    params: Params,
    x1: Tensor,
    x2: Tensor | None,
    selection: OutputSelection,
    terms: tuple[Term, ...],
    schedule: Schedule,
    drive: Driver = tiled_kernel,
) -> Tensor:
    """The share of K that `terms` cover: (N1, N2) if selection.flat, else (C, N1, C, N2)."""
    return drive(
        x1,
        x2,
        selection,
        schedule.tile,
        lambda x, old: factors(net, params, x, selection, terms, schedule, old),
        lambda k, left, right, symmetric: contract(k, terms, left, right, symmetric),
    )


def contract(k: Tensor, terms: tuple[Term, ...], left: Factors, right: Factors, symmetric: bool) -> None:
    """k = sum over the terms."""
    k.zero_()
    for term, l, r in zip(terms, left, right, strict=True):
        term.contract(k, l, r, symmetric)
    if symmetric:
        mirror(k, even=all(term.even for term in terms))


def factors(
    net: nn.Module,
    params: Params,
    x: Tensor,
    selection: OutputSelection,
    terms: tuple[Term, ...],
    schedule: Schedule,
    old: Factors | None = None,
) -> Factors:
    """The states of all terms for the samples of x, chunk by chunk; in the memory of `old` if given."""
    reused = [{}] * len(terms) if old is None else old
    states = [term.allocate(len(x), selection.columns, x, state) for term, state in zip(terms, reused, strict=True)]
    wanted = {name for term in terms for layer in term.layers for _, name in layer.parameters}
    modules = {name for term in terms for layer in term.layers for name in layer.modules}
    leaves = {name: p.detach().requires_grad_(name in wanted) for name, p in params.items()}
    for rows in tiles(len(x), schedule.chunk):
        tape = record(net, leaves, x[rows], modules)
        for term, state in zip(terms, states, strict=True):
            term.begin(net, params, tape, state, rows)
        _backward(net, tape, selection, terms, states, rows, schedule.batched)
    return states


def _backward(
    net: nn.Module,
    tape: Tape,
    selection: OutputSelection,
    terms: tuple[Term, ...],
    states: Factors,
    rows: slice,
    batched: bool,
) -> None:
    edges = list({id(edge): edge for term in terms for edge in term.edges(net, tape)}.values())
    for columns, found in output_gradients(tape, edges, selection.cotangents, batched):
        grads = {id(edge): g for edge, g in zip(edges, found, strict=True) if g is not None}
        for term, state in zip(terms, states, strict=True):
            term.take(net, tape, state, rows, columns, grads)
