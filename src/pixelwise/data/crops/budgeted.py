"""Caching one item per picture in memory, within a budget."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from pixelwise.io.ahead import in_threads


class HasBytes(Protocol):
    """An object that states how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        ...


CachedT = TypeVar("CachedT", bound=HasBytes)


class BudgetedCache(ABC, Generic[CachedT]):
    """Numbered items, each made once as far as the budget allows.

    The items that are made first stay; items that no longer fit are made again each time. (Training reads the pictures
    in a new order each time, so that dropping the least recently used item would drop what is needed next.) Several
    threads may ask for items. A data worker that is forked after :meth:`warm` shares the memory; items made later
    belong to their process alone, each with the whole budget.

    Args:
        length: the number of items.
        budget_bytes: memory for the items that are kept.
    """

    def __init__(self, length: int, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._length = length
        self._items: dict[int, CachedT] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    @abstractmethod
    def _make(self, index: int) -> CachedT:
        """Make item ``index``; two threads may make the same one at once."""

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> CachedT:
        item = self._items.get(index)
        if item is None:
            item = self._make(index)
            with self._lock:
                if index not in self._items and self._bytes + item.nbytes <= self.budget_bytes:
                    self._items[index] = item
                    self._bytes += item.nbytes
        return item

    @property
    def kept(self) -> int:
        """How many items are in memory."""
        return len(self._items)

    def warm(self, progress: Callable[[int, int], Any] | None = None) -> None:
        """Make every item ahead in threads; those that fit stay.

        Args:
            progress: called with (done, total) after each item.
        """
        for _ in in_threads(self._warm_one, range(len(self)), progress):
            pass

    def _warm_one(self, index: int) -> Any:
        return self[index]

    def __getstate__(self) -> dict[str, Any]:
        # A data worker that is spawned rather than forked makes its own items: a copy would cost as much to send.
        state = dict(self.__dict__)
        del state["_lock"]
        return state | {"_items": {}, "_bytes": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
