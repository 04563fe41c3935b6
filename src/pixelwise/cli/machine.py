"""Settings of memory and threads of a process; each function must run before torch does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys


def keep_large_blocks() -> None:
    """Tell glibc to keep large freed blocks for the next tensor instead of giving them back to the kernel.

    By default every large tensor is mapped anew and its pages are cleared at first access, which costs more than the
    arithmetic of small networks. This must run before torch starts threads. It does nothing without glibc.
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

    By default GNU's runtime spins for milliseconds, which gains little on an idle machine and slows training several
    times beside any other busy process. This must run before torch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def use_huge_pages() -> None:
    """Let torch ask for pages of 2 MiB, unless the environment says otherwise; only for prediction.

    Each tile maps the large maps of a network anew, which returns memory at once but clears every page again; larger
    pages make prediction a tenth faster. Training keeps its memory and gains nothing. This must run before torch has
    its first tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def open_many_files() -> None:
    """Let this process open as many files and connections as the system allows it; a shell allows some 1,000."""
    try:
        import resource
    except ImportError:
        return  # not on Windows
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
