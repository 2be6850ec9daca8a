"""The parts of a plan: groups of terms that are computed one after another where not all factors fit at once.

Tiles of samples run the columns' samples again for each tile of rows, and form their gradients again. Parts make the
passes again for each part, but each gradient is formed once.
"""

import itertools
from collections.abc import Iterable, Iterator

from hpnets.ntk._terms import Explicit, Functional, Term

# So many parts are tried.
COUNTS = (2, 3, 4, 6, 8, 12, 16, 24)
# What a part frees leaves holes in memory that the next one does not fill: measured, so many times a part's own peak.
HOLES = 1.5


def split_terms(terms: tuple[Term, ...], count: int, C: int) -> list[tuple[Term, ...]]:
    """The terms in at most `count` groups, whose factors take about as many scalars each."""
    pieces = [piece for term in terms for piece in _pieces(term)]
    sizes = [sum(piece.state_numels(1, C)) for piece in pieces]
    ends = list(itertools.accumulate(sizes))
    share = max(1, -(-ends[-1] // count))
    # A piece belongs to the share in which its middle lies.
    places = [min(count - 1, (end - size // 2) // share) for end, size in zip(ends, sizes, strict=True)]
    groups = itertools.groupby(zip(places, pieces, strict=True), key=lambda pair: pair[0])
    return [tuple(_joined(piece for _, piece in group)) for _, group in groups]


def _pieces(term: Term) -> Iterator[Term]:
    """The terms of one layer or parameter each, where nothing is shared between those of `term`."""
    if isinstance(term, Explicit):
        yield from (Explicit((layer,)) for layer in term.layers)
    elif isinstance(term, Functional):
        for name, size in zip(term.members, term.numels, strict=True):
            yield Functional((name,), (size,), term.contraction, term.saved, term.widest)
    else:
        yield term


def _joined(pieces: Iterable[Term]) -> Iterator[Term]:
    """The terms of a group: those that hold J itself side by side, for one product."""
    explicit: list[Explicit] = []
    functional: list[Functional] = []
    for piece in pieces:
        if isinstance(piece, Explicit):
            explicit.append(piece)
        elif isinstance(piece, Functional):
            functional.append(piece)
        else:
            yield piece
    if explicit:
        yield Explicit(tuple(layer for piece in explicit for layer in piece.layers))
    if functional:
        members = tuple(name for piece in functional for name in piece.members)
        numels = tuple(size for piece in functional for size in piece.numels)
        first = functional[0]
        yield Functional(members, numels, first.contraction, first.saved, first.widest)
