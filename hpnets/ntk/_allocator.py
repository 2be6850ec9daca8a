"""The allocator of the CPU's memory, which keeps what is freed."""

import ctypes
import sys
from functools import cache

import torch

# glibc's mallopt keeps so many bytes at the top of the heap: as many as the activations of one vectorised pass aim at.
KEPT = 512 * 2**20
_TRIM_THRESHOLD = -1  # M_TRIM_THRESHOLD of malloc.h


@cache
def keep_freed_memory() -> None:
    """Let glibc keep up to KEPT freed bytes instead of giving them back, after which each 4 KiB costs a page fault.

    A kernel's tensors of some MiB are made and freed in every call. Blocks as large as glibc's largest freed block of
    at most 32 MiB come from the heap, so one of nearly that size is made and freed first; it is never written to, so it
    takes no time. Other allocators take no notice of it.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT)
