"""The CPU's memory: the allocator keeps what is freed, and what is large comes in large pages."""

import ctypes
import sys
from functools import cache

import torch
from torch import Tensor

from hpnets.ntk._budget import LARGE

# glibc's mallopt keeps so many bytes at the top of the heap: as many as the activations of one vectorised pass aim at.
KEPT = 512 * 2**20
_TRIM_THRESHOLD = -1  # M_TRIM_THRESHOLD of malloc.h
_HUGE_PAGES, _PAGE = 14, 2 * 2**20  # MADV_HUGEPAGE of mman.h, and their bytes


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


def on_large_pages(t: Tensor) -> Tensor:
    """t, to whose memory nothing was written yet; Linux is asked to give it in pages of 2 MiB, not of 4 KiB.

    A large kernel's memory comes from the system in every call and goes back to it, and each page costs a page fault:
    those of 4 KiB take up to a third of the call. Where Linux has no large pages, nothing changes.
    """
    if t.is_cpu and t.nbytes >= LARGE and sys.platform == "linux":
        start = -(-t.data_ptr() // _PAGE) * _PAGE
        size = t.data_ptr() + t.nbytes - start
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _HUGE_PAGES)
    return t
