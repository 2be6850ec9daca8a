"""One kernel by all processes of a torch.distributed group: each computes its share, and every one gets the whole.

K(x, x) is symmetric, so rows alone would compute it twice. Here x is cut into 2 w blocks for w ranks, rank r holds
the factors of blocks 2r and 2r + 1, passes them once around half of the ring, and contracts its own blocks with those
that arrive: each pair of blocks once, the same number of pairs on each rank.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._terms import NotSeparable

Pair = tuple[int, int]


@dataclass(frozen=True)
class Ring:
    """A driver for `structured_kernel` and `jacobian_kernel` in place of `tiled_kernel`, for x2 None."""

    group: dist.ProcessGroup

    def __call__(
        self,
        x: Tensor,
        x2: Tensor | None,
        selection: OutputSelection,
        tile: int,
        factors: Callable[[Tensor, Any], Any],
        contract: Callable[[Tensor, Any, Any, bool], None],
        total: Tensor | None = None,
    ) -> Tensor:
        """K (N, N) if selection.flat, else (C, N, C, N), the same on every rank; added to `total` if that is given."""
        rank, world = dist.get_rank(self.group), dist.get_world_size(self.group)
        C, m = 1 if selection.flat else selection.columns, block_size(len(x), world)
        # All blocks are of one size, as collectives need: the last sample is repeated, and its copies are cut off.
        padded = x[torch.arange(2 * world * m, device=x.device).clamp_max(len(x) - 1)]
        held = dict(zip(own(rank), self._factors(padded.split(m), rank, factors), strict=True))
        places = all_pairs(rank, world)
        tiles = x.new_zeros(len(places), C, m, C, m)
        for step in range(world // 2 + 1):
            if step:
                held |= self._exchange(held, rank, world, step)
            for i, j in pairs(rank, world, step):
                k = tiles[places.index((i, j))]
                contract(k[0, :, 0] if selection.flat else k, held[i], held[j], i == j)
            held = {b: held[b] for b in own(rank)}
        kernel = self._assemble(tiles, world)[:, : len(x), :, : len(x)]
        kernel = (kernel[0, :, 0] if selection.flat else kernel).contiguous()
        return kernel if total is None else total.add_(kernel)

    def _factors(self, blocks: tuple[Tensor, ...], rank: int, factors: Callable[[Tensor, Any], Any]) -> list[Any]:
        """The factors of this rank's blocks; NotSeparable on every rank if it is raised on one."""
        found, failed = [], torch.zeros(1, device=blocks[0].device)
        try:
            found = [factors(blocks[b], None) for b in own(rank)]
        except NotSeparable:
            failed += 1
        dist.all_reduce(failed, group=self.group)
        if failed:
            raise NotSeparable
        return found

    def _exchange(self, held: dict[int, Any], rank: int, world: int, step: int) -> dict[int, Any]:
        """Send the own blocks' factors `step` ranks down the ring; those that arrive come from `step` ranks up."""
        source, target = (dist.get_global_rank(self.group, (rank + s) % world) for s in (step, -step))
        arrived = {}
        for mine, theirs in zip(own(rank), own((rank + step) % world), strict=True):
            leaves, spec = tree_flatten(held[mine])
            buffers = [torch.empty_like(t, memory_format=torch.contiguous_format) for t in leaves]
            operations = [dist.P2POp(dist.isend, t.contiguous(), target, self.group) for t in leaves]
            operations += [dist.P2POp(dist.irecv, t, source, self.group) for t in buffers]
            for work in dist.batch_isend_irecv(operations):
                work.wait()
            arrived[theirs] = tree_unflatten(buffers, spec)
        return arrived

    def _assemble(self, tiles: Tensor, world: int) -> Tensor:
        """Gather (T, C, m, C, m) tiles of every rank into (C, 2 w m, C, 2 w m), and mirror them."""
        parts = [torch.empty_like(tiles) for _ in range(world)]
        dist.all_gather(parts, tiles, group=self.group)
        _, C, m, _, _ = tiles.shape
        kernel = tiles.new_empty(C, 2 * world * m, C, 2 * world * m)
        blocks = kernel.unflatten(3, (-1, m)).unflatten(1, (-1, m))
        for rank, part in enumerate(parts):
            for (i, j), k in zip(all_pairs(rank, world), part, strict=True):
                blocks[:, i, :, :, j] = k
                if i != j:
                    blocks[:, j, :, :, i] = k.permute(2, 3, 0, 1)
        return kernel


def block_size(n: int, world: int) -> int:
    """Samples of each of the 2 w blocks."""
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
    """Rows x[rank::world] of every rank, (n / world, ...), back in the order of x, (n, ...), on every rank."""
    world = dist.get_world_size(group)
    padded = torch.cat([rows, rows.new_zeros(-(-n // world) - len(rows), *rows.shape[1:])]).contiguous()
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded, group=group)
    return torch.stack(parts, dim=1).flatten(0, 1)[:n]
