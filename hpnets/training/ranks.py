"""The group of all ranks."""

import torch.distributed as dist


def all_ranks() -> dist.ProcessGroup | None:
    """The group of all ranks, or None where one process trains."""
    return dist.group.WORLD if dist.is_available() and dist.is_initialized() else None
