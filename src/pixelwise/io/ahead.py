"""Reading files on threads, in their order: ahead of something that computes, or as many at once as there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")
ReadT = TypeVar("ReadT")
ResultT = TypeVar("ResultT")


def read_ahead(read: Callable[[ItemT], ReadT], items: Iterable[ItemT], *, threads: int = 4) -> Iterator[Future[ReadT]]:
    """Read items on threads, in their order, at most two per thread ahead of the one that is asked for.

    Args:
        read: reads one item; runs on a thread.
        items: what to read.
        threads: how many threads read; decoders release the interpreter lock.

    Yields:
        One future per item, already done or soon to be; ``result()`` gives what was read or raises what ``read``
        raised.
    """
    waiting: deque[Future[ReadT]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for future in waiting:
                future.cancel()


def in_threads(
    work: Callable[[ItemT], ResultT], items: Sequence[ItemT], progress: Callable[[int, int], Any] | None = None
) -> Iterable[ResultT]:
    """Do ``work`` on every item in a few threads and give the results in order; decoders release the interpreter lock.

    Args:
        work: called once per item; its errors are raised here.
        items: the items.
        progress: called with (done, total) after each item, from the calling thread.
    """
    threads = min(8, max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2))
    with ThreadPoolExecutor(threads) as pool:
        try:
            for done, result in enumerate(pool.map(work, items), 1):
                yield result
                if progress is not None:
                    progress(done, len(items))
        finally:
            pool.shutdown(cancel_futures=True)
