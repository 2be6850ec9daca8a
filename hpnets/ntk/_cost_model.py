"""The cost model of `structured`: which term each layer gets, and the tiles and chunks that keep within the budget."""

import dataclasses
from collections import defaultdict

from hpnets.ntk._budget import LARGE, peak_bytes
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rules.base import BiasRule, OuterRule
from hpnets.ntk._structured import Schedule
from hpnets.ntk._survey import Layer, Survey
from hpnets.ntk._tape import STACK
from hpnets.ntk._terms import Explicit, Gram, Pooled, Positions, Readout, Separable, Term
from hpnets.ntk._terms.gram import flags
from hpnets.ntk._terms.positions import chunks_flops, sandwich_flops

# Bytes of activations that a chunk's passes aim at: larger ones leave the caches, smaller ones starve the products.
CHUNK_BYTES = 96 * 2**20
# Rather than in chunks this many times smaller, passes over a tile are made in smaller tiles.
LEAST = 8
# A vectorised pass over all outputs saves the overhead of C passes; it pays while a pass is this short, in scalars.
BATCHED_NUMEL = 2**23


def choose_terms(
    found: Survey, selection: OutputSelection, n1: int, n2: int, separable: bool = True
) -> tuple[Term, ...]:
    """A term for every parameter of every layer; the read-out first, then dense layers, positions, gradients."""
    C, flat = selection.columns, selection.flat
    readout = None if found.readout is None else found.layers[found.readout]
    dense: dict[tuple[int, tuple[bool, bool], bool], list[Layer]] = defaultdict(list)
    terms: list[Term] = []
    explicit: list[Layer] = []
    for i, layer in enumerate(found.layers):
        if not layer.sources:
            continue
        if i == found.readout:
            terms.append(Readout((layer,), *flags(layer), selection))
        elif layer.dense:
            dense[layer.sources[0], flags(layer), separable and i in found.separable].append(layer)
        elif separable and i in found.separable:
            assert readout is not None
            terms.append(Pooled((layer,), *flags(layer), readout, selection))
        elif isinstance(layer.rule, OuterRule) and "weight" not in layer.locals:
            explicit.append(_bias(layer))
        else:
            method = _method(layer, n1, n2, C, flat)
            if method == "gradient":
                explicit.append(layer)
            else:
                terms.append(Positions((layer.only("weight"),), method))
                explicit += [_bias(layer)] if "bias" in layer.locals else []
    for (_, has, apart), layers in dense.items():
        if apart:
            assert readout is not None
            terms.append(Separable(tuple(layers), *has, readout, selection))
        else:
            terms.append(Gram(tuple(layers), *has))
    if explicit:
        names = tuple(tuple(layer.locals) for layer in explicit)
        terms.append(Explicit(tuple(explicit), names, tuple(sum(layer.numels) for layer in explicit)))
    return tuple(terms)


def _method(layer: Layer, n1: int, n2: int, C: int, flat: bool) -> str:
    """The cheapest of the three contractions for one layer's weight."""
    if not isinstance(layer.rule, OuterRule) or layer.positions is None:
        return "gradient"
    _, S, I, H = layer.positions
    gradient = chunks_flops(layer.positions, n1, n2, C, flat)
    if sandwich_flops(layer.positions, n1, n2, C, flat) < gradient:
        return "sandwich"
    # The gradients at once cost the same; they are kept unless P and G are smaller.
    return "gradient" if H * I * C <= 2 * S * (I + C * H) else "chunks"


def _bias(layer: Layer) -> Layer:
    assert isinstance(layer.rule, OuterRule)
    return dataclasses.replace(layer.only("bias", BiasRule(layer.rule)), kept=0)


@dataclasses.dataclass(frozen=True)
class Bytes:
    """What a schedule takes: the states of its tiles, large blocks among them, passes, scratch; if passes recur."""

    states: int
    large: int
    passes: int
    scratch: int
    recur: bool

    @property
    def peak(self) -> int:
        return peak_bytes(self.states + self.scratch, self.passes, self.recur, self.large)


def measure(
    terms: tuple[Term, ...],
    found: Survey,
    selection: OutputSelection,
    n1: int,
    n2: int,
    symmetric: bool,
    s: Schedule,
    item: int,
) -> Bytes:
    """Predicted bytes of a schedule, the kernel itself left out."""
    C, flat = selection.columns, selection.flat
    t1, t2 = min(s.tile, n1), min(s.tile, n2)
    # Of the gradients, the watched ones are held, and those on the way; passes one by one are stacked, a copy.
    outputs = sum(layer.outputs for term in terms if term.watches for layer in term.layers)
    grads = C * (outputs + 2 * found.widest) if s.batched else 2 * min(C, STACK) * (outputs + found.widest)
    later = sum(term.held_numel() for term in terms) + (grads if outputs else 0)
    passes = s.chunk * (found.saved + max([later, *(term.begin_numel() for term in terms)]))
    scratch = max((term.scratch_numel(t1, t2, C, flat) for term in terms), default=0)
    held = [t1] if symmetric and s.tile >= n1 else [t1, t2]
    blocks = [item * numel for t in held for term in terms for numel in term.state_numels(t, C)]
    large = sum(block for block in blocks if block >= LARGE)
    return Bytes(sum(blocks), large, item * passes, item * scratch, recur=s.chunk < sum(held))


def choose_schedule(
    terms: tuple[Term, ...],
    found: Survey,
    selection: OutputSelection,
    n1: int,
    n2: int,
    symmetric: bool,
    item: int,
    budget: int,
) -> tuple[Schedule, Bytes]:
    """The fewest tiles that fit `budget` bytes; ValueError with what one sample a tile takes if none do."""
    outputs = sum(layer.outputs for term in terms for layer in term.layers)
    longest = max(n1, n2)
    count = 1
    while True:
        tile = -(-longest // count)
        batched = selection.columns > 1 and tile * outputs * selection.columns <= BATCHED_NUMEL

        def needs(chunk: int, tile: int = tile, batched: bool = batched) -> Bytes:
            return measure(terms, found, selection, n1, n2, symmetric, Schedule(tile, chunk, batched), item)

        chunk = most = -(-tile // max(1, -(-tile * needs(1).passes // CHUNK_BYTES)))
        while chunk > max(1, most // LEAST) and needs(chunk).peak > budget:
            chunk = -(-chunk // 2)
        if needs(chunk).peak <= budget:
            return Schedule(tile, chunk, batched), needs(chunk)
        if tile == 1:
            raise ValueError(
                f"memory is {budget} bytes, but one sample a tile takes {needs(1).peak}; raise memory to at least that"
            )
        count = max(count + 1, -(-longest // max(1, tile - 1))) if tile < 64 else count * 5 // 4 + 1
