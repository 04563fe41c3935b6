"""Reading files ahead on threads while something else computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ReadT = TypeVar("ReadT")


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
