"""One kernel by all ranks of a torch.distributed group: each computes a share, and every rank gets the whole.

K(x, x) is symmetric, so a division by rows would compute it twice. Here x is cut into 2 w blocks for w ranks. Rank r
holds the factors of blocks 2r and 2r + 1, passes them around half of the ring, and contracts its own blocks with those
that arrive: each pair of blocks once, and the same number of pairs on each rank. All ranks decide together
whether the plan holds on the samples, since a rank that replanned alone would wait for the others for ever.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from hpnets.linalg import tiles
from hpnets.ntk._failures import CrashError, DisprovenError, RefusalError, crashes_of
from hpnets.ntk._problem import Problem
from hpnets.ntk._tiling import Factors, Work, write_transposed

Pair = tuple[int, int]
T = TypeVar("T")
# Ranks send each other the contraction that a proof ruled out as its index here; the greatest index wins.
_KINDS = ("", "separable", "pooled", "unused", "rule", "jacobian", "ntkvp", "loop")
_ALGORITHMS = ("", "loop", "ntkvp", "structured", "jacobian")
# About so many scalars are sent at a time.
PIECE = 2**21


def together(group: dist.ProcessGroup, names: tuple[str, ...], device: torch.device, compute: Callable[[], T]) -> T:
    """Run compute() on every rank; if it fails on one, all raise.

    All raise the same kind of error: a refusal if one rank refuses, its own where it has one; else a crash of one
    algorithm; else a DisprovenError with the parameters of all ranks. names: the names of all parameters, in the same
    order on each rank.
    """
    result: T | None = None
    failure: Exception | None = None
    try:
        result = compute()
    except Exception as error:  # the others wait in the collective below, so they are told before this is raised
        failure = error
    kinds, refused, crashed = _gathered_failures(group, names, device, failure)
    if refused and failure is not None and not isinstance(failure, DisprovenError | CrashError):
        raise failure
    if refused:
        raise RefusalError("another rank refuses its samples; its message says why")
    if crashed:  # one algorithm for all: a rank whose own failure is another one would plan otherwise than the others
        own_cause = failure.cause if isinstance(failure, CrashError) else None
        raise CrashError(crashed, own_cause or RuntimeError("another rank's algorithm raised; its message says why"))
    if kinds:
        raise DisprovenError(kinds)
    return result  # type: ignore[return-value]  # of a compute that did not fail


def _gathered_failures(
    group: dist.ProcessGroup, names: tuple[str, ...], device: torch.device, failure: Exception | None
) -> tuple[dict[str, str], bool, str]:
    """The contractions that ranks ruled out by name, whether a rank refuses, and an algorithm that crashed or ""."""
    flags = torch.zeros(len(names) + 2, dtype=torch.int32, device=device)
    if isinstance(failure, DisprovenError):
        for name, kind in failure.contractions.items():
            flags[names.index(name)] = _KINDS.index(kind if kind in _KINDS else "rule")
    elif isinstance(failure, CrashError):
        flags[-1] = _ALGORITHMS.index(failure.algorithm)
    elif failure is not None:
        flags[-2] = 1
    dist.all_reduce(flags, dist.ReduceOp.MAX, group=group)
    *kinds, refused, crashed = flags.tolist()
    ruled_out = {name: _KINDS[kind] for name, kind in zip(names, kinds, strict=True) if kind}
    return ruled_out, bool(refused), _ALGORITHMS[crashed]


@dataclass(frozen=True)
class Ring:
    """A driver in place of `tiled_kernel`, only for x2 None; names: as for `together`; algorithm: the plan's."""

    group: dist.ProcessGroup
    names: tuple[str, ...]
    algorithm: str

    def __call__(self, x1: Tensor, x2: Tensor | None, problem: Problem, work: Work) -> Tensor:
        """K (N, N) if problem.flat, else (C, N, C, N), the same on every rank."""
        assert x2 is None
        rank, world = dist.get_rank(self.group), dist.get_world_size(self.group)
        m = block_size(len(x1), world)
        # Collectives need blocks of one size: the samples begin anew, and these copies are cut off at the end.
        padded = x1[torch.arange(2 * world * m, device=x1.device) % len(x1)].split(m)
        factors = self._together(x1.device, lambda: [work.factors(padded[b], None, True, (x1,)) for b in own(rank)])
        C = 1 if problem.flat else problem.C
        kernel = x1.new_empty(C, len(padded) * m, C, len(padded) * m)
        blocks = kernel.unflatten(3, (-1, m)).unflatten(1, (-1, m)).permute(1, 4, 0, 2, 3, 5)
        self._contract(blocks, dict(zip(own(rank), factors, strict=True)), problem, work)
        self._assemble(blocks)
        kernel = kernel[:, : len(x1), :, : len(x1)]
        return (kernel[0, :, 0] if problem.flat else kernel).contiguous()

    def _together(self, device: torch.device, compute: Callable[[], T]) -> T:
        def computed() -> T:
            # A crash on one rank is one on all: were it a refusal to the others, it alone would try the next algorithm.
            with crashes_of(self.algorithm):
                return compute()

        return together(self.group, self.names, device, computed)

    def _contract(self, blocks: Tensor, held: dict[int, Factors], problem: Problem, work: Work) -> None:
        """Fill this rank's blocks; a failure is raised after the last exchange, so that no rank waits."""
        rank, world, failure = dist.get_rank(self.group), dist.get_world_size(self.group), None
        for step in range(world // 2 + 1):
            if step:
                held |= self._exchange(held, rank, world, step)
            for i, j in pairs(rank, world, step):
                k = blocks[i, j]
                try:
                    work.contract(k[0, :, 0] if problem.flat else k, held[i], held[j], i == j)
                except Exception as error:
                    failure = error
            held = {b: held[b] for b in own(rank)}

        def finished() -> None:
            if failure is not None:
                raise failure

        self._together(blocks.device, finished)

    def _exchange(self, held: dict[int, Factors], rank: int, world: int, step: int) -> dict[int, Factors]:
        """Send the own blocks' factors `step` ranks down the ring; return those that arrive from `step` ranks up."""
        arrived = {}
        for mine, theirs in zip(own(rank), own((rank + step) % world), strict=True):
            leaves, spec = tree_flatten(held[mine])
            buffers = [t.new_empty(t.shape) for t in leaves]
            swap(leaves, buffers, step, self.group)
            arrived[theirs] = tree_unflatten(buffers, spec)
        return arrived

    def _assemble(self, blocks: Tensor) -> None:
        """Fill the blocks (2 w, 2 w, C, m, C, m) with those of the other ranks, and mirror all."""
        rank, world = dist.get_rank(self.group), dist.get_world_size(self.group)
        mine = all_pairs(rank, world)
        for step in range(world):
            for at, (i, j) in zip(mine, all_pairs((rank + step) % world, world), strict=True):
                for outputs, arrived in exchanged(blocks[at], step, self.group):
                    if step:
                        blocks[i, j, outputs] = arrived
                    if i != j:
                        write_transposed(arrived, blocks[j, i, :, :, outputs])


def exchanged(t: Tensor, step: int, group: dist.ProcessGroup) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time of the t of the rank that is `step` up the ring; every rank's t has the same shape.

    The next rows overwrite them: one buffer of a few MiB stays in memory that the process has, while a large one costs
    a page fault for each 4 KiB. Two ranks of gloo take a quarter of the time of an all_gather for it.
    """
    if step == 0:
        yield slice(0, len(t)), t
        return
    size = max(1, PIECE // max(1, t[:1].numel()))
    buffer = t.new_empty(min(size, len(t)), *t.shape[1:])
    for rows in tiles(len(t), size):
        arrived = buffer[: rows.stop - rows.start]
        swap([t[rows]], [arrived], step, group)
        yield rows, arrived


def swap(tensors: list[Tensor], buffers: list[Tensor], step: int, group: dist.ProcessGroup) -> None:
    """Send the tensors `step` ranks down the ring, and fill the buffers with those that arrive from `step` ranks up."""
    rank, world = dist.get_rank(group), dist.get_world_size(group)
    source, target = (dist.get_global_rank(group, (rank + s) % world) for s in (step, -step))
    operations = [dist.P2POp(dist.isend, t.contiguous(), target, group) for t in tensors]
    operations += [dist.P2POp(dist.irecv, t, source, group) for t in buffers]
    for work in dist.batch_isend_irecv(operations):
        work.wait()


def block_size(n: int, world: int) -> int:
    """The number of samples of each of the 2 w blocks."""
    return -(-n // (2 * world))


def own(rank: int) -> Pair:
    """The two blocks of a rank."""
    return 2 * rank, 2 * rank + 1


def pairs(rank: int, world: int, step: int) -> list[Pair]:
    """The pairs of blocks that `rank` contracts once the blocks of rank + step have arrived.

    At step w/2 (w even) two ranks hold each other's blocks: the lower takes its first block with both of the other's,
    the upper both of its own with the other's second.
    """
    a, b = own(rank)
    if step == 0:
        return [(a, a), (a, b), (b, b)]
    c, d = own((rank + step) % world)
    if 2 * step < world:
        return [(a, c), (a, d), (b, c), (b, d)]
    if 2 * step > world:
        return []
    return [(a, c), (a, d)] if rank < world / 2 else [(a, d), (b, d)]


def all_pairs(rank: int, world: int) -> list[Pair]:
    """The pairs of blocks that `rank` contracts, in order."""
    return [pair for step in range(world // 2 + 1) for pair in pairs(rank, world, step)]


def gather_rows(rows: Tensor, n: int, group: dist.ProcessGroup) -> Tensor:
    """All rows (n, ...) in the order of x, on every rank, from each rank's rows of x[rank::world]."""
    rank, world = dist.get_rank(group), dist.get_world_size(group)
    padded = torch.cat([rows, rows.new_zeros(-(-n // world) - len(rows), *rows.shape[1:])])
    whole = padded.new_empty(len(padded), world, *rows.shape[1:])
    for step in range(world):
        for part, arrived in exchanged(padded, step, group):
            whole[part, (rank + step) % world] = arrived
    return whole.flatten(0, 1)[:n]
