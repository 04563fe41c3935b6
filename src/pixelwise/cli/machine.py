"""How a process asks for memory and processors; each function must run before torch does."""

from __future__ import annotations

import ctypes
import os
import sys


def keep_large_blocks() -> None:
    """Tell glibc to keep large freed blocks for the next tensor instead of giving them back to the kernel.

    By default every large tensor is mapped afresh and its pages are cleared again at first touch, which costs more
    than the arithmetic on small networks. Must run before torch starts threads. Elsewhere than on glibc it does
    nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, mmap_max, arena_max = -1, -4, -8  # parameter numbers of malloc.h
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(arena_max, 1)
    except (OSError, AttributeError):
        return


def share_the_processor() -> None:
    """Let idle OpenMP threads sleep after a short spin, unless the environment says otherwise.

    The default of GNU's runtime spins for milliseconds, which gains little on an idle machine and slows training
    several times over beside any other busy process. Must run before torch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def use_huge_pages() -> None:
    """Let torch ask for pages of 2 MiB, unless the environment says otherwise; for predicting alone.

    Tiles map the large maps of a network afresh, which gives memory back at once but clears every page again; larger
    pages make that a tenth faster. Training keeps its memory and gains nothing. Must run before torch holds its first
    tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
