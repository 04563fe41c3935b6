"""Reading files on threads, in their order: ahead of something that computes, or as many at once as there are.

Both functions are generators. One that is left before its end is best closed where that happens, by
:func:`contextlib.closing`, which waits for the threads. One that is forgotten is closed when it is collected, which may
happen on any thread, and then nothing waits: that thread may be the one that the reading threads are waiting for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from pixelwise.processors import processors

ItemT = TypeVar("ItemT")
ReadT = TypeVar("ReadT")
ResultT = TypeVar("ResultT")


def read_ahead(
    read: Callable[[ItemT], ReadT], items: Iterable[ItemT], *, threads: int = 4
) -> Generator[Future[ReadT], None, None]:
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
    with _pool(threads) as pool:
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def in_threads(
    work: Callable[[ItemT], ResultT], items: Sequence[ItemT], progress: Callable[[int, int], Any] | None = None
) -> Generator[ResultT, None, None]:
    """Do ``work`` on every item in a few threads and give the results in order; decoders release the interpreter lock.

    Args:
        work: called once per item; its errors are raised here.
        items: the items.
        progress: called with (done, total) after each item, from the calling thread.
    """
    threads = min(8, max(2, processors()))
    with _pool(threads) as pool:
        for done, result in enumerate(pool.map(work, items), 1):
            yield result
            if progress is not None:
                progress(done, len(items))


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for a generator; what has not begun when it ends is left undone."""
    pool, owner = ThreadPoolExecutor(threads), threading.get_ident()
    try:
        yield pool
    finally:
        pool.shutdown(wait=threading.get_ident() == owner, cancel_futures=True)
