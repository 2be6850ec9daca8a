"""One kernel computed by every process of a torch.distributed group, each its own rows."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.ntk.kernel import ntk
from hpnets.ntk.outputs import Outputs


def ntk_over_ranks(net: nn.Module, x: Tensor, *, outputs: Outputs, algorithm: str = "auto") -> Tensor:
    """K(x, x) on every rank: rank r computes the rows x[r::world] against all columns, and all are gathered once.

    Every rank must hold the same net and x. Without an initialised group, or in a group of one, it is `ntk(net, x)`.
    """
    world = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if world == 1:
        return ntk(net, x, outputs=outputs, algorithm=algorithm)
    if len(x) < world:
        raise ValueError(f"x has {len(x)} rows; allowed: at least one for each of the {world} ranks")
    rows = ntk(net, x[dist.get_rank() :: world], x, outputs=outputs, algorithm=algorithm)
    return _interleave(rows, len(x), world)


def _interleave(rows: Tensor, n: int, world: int) -> Tensor:
    """Gather the rank's rows (padded to equal length, as all_gather needs) and put row r::world back in place."""
    longest = -(-n // world)
    padded = torch.cat([rows, rows.new_zeros(longest - len(rows), *rows.shape[1:])]).contiguous()
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    return torch.stack(parts, dim=1).flatten(0, 1)[:n]
