"""Batches of a loss that is a mean over samples: their sizes, a rank's share of them, and what fits into memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_leaves, tree_map

# A product needs what the graph of the gradient keeps, and works in as much and half again (measured: 2.2 to 3).
WORK = 3.0
# Slices of so many samples tell how memory grows with the batch.
FEW, MORE = 2, 4


@dataclass(frozen=True)
class Part:
    """A batch, or a rank's rows of it, and its weight in the mean over all samples."""

    batch: Any
    weight: float


def samples_of(batch: Any) -> int:
    """The length of the first tensor in a batch; ValueError if there is none, or it has no samples."""
    first = next((leaf for leaf in tree_leaves(batch) if isinstance(leaf, Tensor)), None)
    if first is None or first.ndim == 0 or len(first) == 0:
        raise ValueError(f"the batch is a {type(batch).__name__} that holds no samples; allowed: tensors (N, ...)")
    return len(first)


def rows_of_batch(batch: Any, rows: slice) -> Any:
    """The rows of each tensor of a batch that has one row a sample."""
    n = samples_of(batch)
    return tree_map(lambda t: t[rows] if isinstance(t, Tensor) and t.ndim and len(t) == n else t, batch)


def parts_of_batches(batches: tuple[Any, ...], group: "dist.ProcessGroup | None") -> list[Part]:
    """What this process works on: all batches, or the rows rank::world of each.

    Raises ValueError if there is no batch, or a rank would have no row.
    """
    if not batches:
        raise ValueError("there is no batch; allowed: at least one, hessian(loss, params, batch)")
    if group is None:
        if len(batches) == 1:
            return [Part(batches[0], 1.0)]
        total = sum(map(samples_of, batches))
        return [Part(batch, samples_of(batch) / total) for batch in batches]
    rank, world = dist.get_rank(group), dist.get_world_size(group)
    sizes = [samples_of(batch) for batch in batches]
    if min(sizes) < world:
        raise ValueError(f"a batch has {min(sizes)} rows; allowed: at least one for each of the {world} ranks")
    shares = [rows_of_batch(batch, slice(rank, None, world)) for batch in batches]
    return [Part(share, samples_of(share) / sum(sizes)) for share in shares]


@torch.no_grad()
def check_mean(loss: Callable[[Any], Tensor], batch: Any) -> None:
    """Raise ValueError unless the loss of a batch is the mean over its samples, as that of its two halves says.

    It costs two forward passes; only then do the curvatures of parts add up to that of the whole.
    """
    n = samples_of(batch)
    halves = [rows_of_batch(batch, rows) for rows in (slice(n // 2), slice(n // 2, n))] if n > 1 else [batch]
    whole = float(loss(batch))
    parts = sum(float(loss(half)) * samples_of(half) / n for half in halves)
    if abs(whole - parts) > 1e-4 * max(abs(whole), abs(parts)):
        raise ValueError(
            f"the loss of the batch is {whole:.6g}, and that of its halves {parts:.6g} in the mean; allowed for "
            "several batches or ranks: a mean over samples that do not see each other"
        )


def check_fits(build: Callable[[Any], object], batch: Any, vectors: int, budget: int) -> None:
    """Raise ValueError, with the number of samples that would fit, if a product of this batch exceeds `budget` bytes.

    build: makes the graph of the products of a batch; few of its samples tell the bytes of one. vectors: the bytes of
    what does not depend on the batch.
    """
    n = samples_of(batch)
    if n <= MORE:
        return
    try:
        few, more = (_kept_bytes(build, rows_of_batch(batch, slice(rows))) for rows in (FEW, MORE))
    except RuntimeError as error:
        if "saved tensor hooks" in str(error):  # a loss with torch.func inside, whose memory cannot be told
            return
        raise
    row = max(more - few, 0) / (MORE - FEW)
    fixed = max(few - FEW * row, 0)
    fixed += vectors / WORK
    needed = int(WORK * (fixed + n * row))
    if needed > budget:
        fit = max(int((budget / WORK - fixed) / row), 0)
        split = f"batches of at most {fit} samples" if fit else f"at least {int(WORK * (fixed + row))}, for one sample"
        raise ValueError(
            f"memory is {budget} bytes, and a product over {n} samples needs about {needed}; allowed: {split}, "
            "hessian(loss, params, batch, batch, ...), or more memory"
        )


def _kept_bytes(build: Callable[[Any], object], batch: Any) -> int:
    """The bytes of the different storages that a graph keeps."""
    kept: dict[int, int] = {}

    def note(t: Tensor) -> Tensor:
        if not isinstance(t, torch.nn.Parameter) and t.layout == torch.strided:
            storage = t.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return t

    alive = []
    with saved_tensors_hooks(note, lambda t: t):
        alive.append(build(batch))
    return sum(kept.values())
