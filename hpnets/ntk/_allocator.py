"""The allocator of the CPU's memory, which keeps what is freed."""

from functools import cache

import torch


@cache
def keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of giving it back, after which each 4 KiB costs a page fault again.

    A kernel's tensors of some MiB are made and freed in every call. glibc keeps as much as twice its largest freed
    block of at most 32 MiB, so one of nearly that size is made and freed; it is never written to, so it takes no time.
    Other allocators take no notice of it.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)
