"""Tiles and chunks of samples that keep within a byte budget, and the peak that is predicted for them."""

from dataclasses import dataclass

from hpnets.ntk._budget import LARGE, peak_bytes
from hpnets.ntk._problem import Problem
from hpnets.ntk._structured import Schedule
from hpnets.ntk._survey import Survey
from hpnets.ntk._tape import stacked
from hpnets.ntk._terms import Functional, Term

# A chunk's passes aim at this many bytes of activations: more leaves the caches, less makes the products too small. A
# vectorised pass aims at more, since it holds the gradients of all outputs, and has the overhead of a pass once.
CHUNK_BYTES, BATCHED_BYTES = 96 * 2**20, 512 * 2**20
# Chunks shrink by at most this factor to fit the budget; after that the tile shrinks.
LEAST = 8
# One vectorised pass over all outputs saves the overhead of C passes; it pays while the gradients of all outputs at a
# layer are at most this many scalars on average, and so stay in the caches.
BATCHED_NUMEL = 2**21
# It does not pay either where the gradient of one tensor, as of attention's weights, has more scalars than this.
LARGEST_NUMEL = 2**24


@dataclass(frozen=True)
class Bytes:
    """The bytes that a schedule takes.

    states: the factors of its tiles, and copied parameters. large: the part of `states` in large blocks. passes: what a
    chunk's passes take. scratch: what a contraction takes. recur: whether passes are made more than once.
    """

    states: int
    large: int
    passes: int
    scratch: int
    recur: bool

    @property
    def peak(self) -> int:
        return peak_bytes(self.states + self.scratch, self.passes, self.recur, self.large)


def predict_bytes(terms: tuple[Term, ...], survey: Survey, problem: Problem, s: Schedule) -> Bytes:
    """The predicted bytes of a schedule, without the kernel itself."""
    tile, item = problem.tile(s.tile), problem.item
    scratch = max((term.scratch_numel(tile) for term in terms), default=0)
    held = [tile.n1] if problem.symmetric and s.tile >= problem.n1 else [tile.n1, tile.n2]
    blocks = [item * numel for t in held for term in terms for numel in term.state_numels(t, problem.C)]
    large = sum(block for block in blocks if block >= LARGE)
    passes = s.chunk * max(_hooked_numel(terms, survey, problem.C, s.batched), _functional_numel(terms, problem.C))
    copied = survey.copied if any(term.layers for term in terms) else 0
    return Bytes(sum(blocks) + item * copied, large, item * passes, item * scratch, recur=s.chunk < sum(held))


def _hooked_numel(terms: tuple[Term, ...], survey: Survey, C: int, batched: bool) -> int:
    """The scalars per sample that passes with hooks take."""
    if not any(term.layers for term in terms):
        return 0
    # The watched gradients are held beside those on their way; passes made one by one are stacked, which copies them.
    outputs = sum(layer.outputs for term in terms if term.watches for layer in term.layers)
    held = C if batched else stacked(C) + 1
    grads = held * outputs + 2 * (C if batched else 1) * survey.widest
    later = sum(term.held_numel() for term in terms) + (grads if outputs else 0)
    return survey.saved + max([later, *(term.begin_numel() for term in terms)])


def _functional_numel(terms: tuple[Term, ...], C: int) -> int:
    return max((term.fill_numel(C) for term in terms if isinstance(term, Functional)), default=0)


def choose_schedule(terms: tuple[Term, ...], survey: Survey, problem: Problem, budget: int) -> tuple[Schedule, Bytes]:
    """The schedule with the fewest tiles that fits `budget` bytes; ValueError if even tiles of two samples do not."""
    least, count = min(2, problem.longest), 1
    while True:
        tile = max(least, -(-problem.longest // count))
        for batched in (True, False) if survey.vectorises else (False,):
            schedule, needs = _largest_chunk(terms, survey, problem, budget, tile, batched)
            if needs.peak <= budget and (not batched or _pays(terms, survey, problem, schedule)):
                return schedule, needs
        if tile == least:
            raise ValueError(
                f"memory is {budget} bytes; allowed: at least {needs.peak}, which tiles of {least} samples take"
            )
        # Tiles shrink by about a fifth at a time, so that few sizes are tried, and small ones by one.
        count = max(count + 1, -(-problem.longest // max(1, tile - 1))) if tile < 64 else count * 5 // 4 + 1


def _largest_chunk(
    terms: tuple[Term, ...], survey: Survey, problem: Problem, budget: int, tile: int, batched: bool
) -> tuple[Schedule, Bytes]:
    """The schedule of such a tile with the largest chunk that fits, or else with the smallest that is worth a try."""

    def needs(chunk: int) -> Bytes:
        return predict_bytes(terms, survey, problem, Schedule(tile, chunk, batched))

    least, aim = min(2, problem.longest), BATCHED_BYTES if batched else CHUNK_BYTES
    count = max(1, -(-tile * needs(1).passes // aim))
    chunk = most = max(least, -(-tile // count))
    while chunk > max(least, most // LEAST) and needs(chunk).peak > budget:
        count = max(count + 1, count * 5 // 4)
        chunk = max(least, -(-tile // count))
    taken = needs(chunk)
    # Of a plain pass the activations are held, and one gradient on its way; layers may take as much again to work in,
    # which must not exceed the budget.
    plain = problem.item * max(1, survey.saved + 2 * survey.widest)
    proof = min(tile, taken.passes // plain, max(0, taken.passes + budget - taken.peak) // (2 * plain))
    return Schedule(tile, chunk, batched, proof, survey.quick, survey.fixed), taken


def _pays(terms: tuple[Term, ...], survey: Survey, problem: Problem, schedule: Schedule) -> bool:
    """Whether one vectorised pass is quicker than a pass for each output."""
    outputs = [layer.outputs for term in terms for layer in term.layers]
    rows = schedule.chunk * problem.C
    at_a_layer = rows * sum(outputs) / max(1, len(outputs))
    return problem.C > 1 and at_a_layer <= BATCHED_NUMEL and rows * survey.largest <= LARGEST_NUMEL
