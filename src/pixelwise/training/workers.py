"""Processes that prepare crops, and the picture that one of them was at when it failed or died."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast, runtime_checkable

import torch
from torch.utils.data import Dataset, get_worker_info

from pixelwise.data.pairs import Pair
from pixelwise.errors import PixelwiseError
from pixelwise.training.run_folder import RunFolder

ItemT_co = TypeVar("ItemT_co", covariant=True)

NO_ITEM = -1
DEATH = re.compile(r"DataLoader worker \(pid(?:\(s\))? (?P<pids>[\d, ]+)\) (?P<how>[^.\n]*)")
"""How torch tells of a worker that died."""
FAILURE = re.compile(r"Caught (\w+) in DataLoader worker process.*\n(?:\w+\.)*\1: (?P<text>.*)", re.DOTALL)
"""How torch tells of an error in a worker: its traceback, which ends with the type and the text of the error."""


class Items(Protocol[ItemT_co]):
    """A ``Dataset`` that knows its length."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> ItemT_co: ...


@runtime_checkable
class CutFromPictures(Protocol):
    """Crops that know the pictures they are cut from."""

    def pair_of(self, index: int) -> Pair:
        """The picture of a crop."""
        ...


class WatchedItems(Dataset[ItemT_co]):
    """Items that note which of them each worker is making, in memory that all processes share.

    Args:
        items: the items.
        workers: the number of processes that make them; with 0, nothing is noted.
    """

    def __init__(self, items: Items[ItemT_co], workers: int) -> None:
        self.items = items
        self._making = torch.full((workers, 2), NO_ITEM)  # process id, number of the item
        self._making.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> ItemT_co:
        worker = get_worker_info()
        if worker is None:
            return self.items[index]
        noted = self._making[worker.id]
        noted[0], noted[1] = os.getpid(), index
        item = self.items[index]
        noted[1] = NO_ITEM
        return item

    def made_by(self, process: int) -> int | None:
        """The number of the item that a process was making when it last wrote; None if it was making none."""
        for known, index in self._making.tolist():
            if known == process and index != NO_ITEM:
                return cast("int", index)
        return None

    def dead_workers(self) -> list[int]:
        """The processes that made items and are gone."""
        alive = {process.pid for process in multiprocessing.active_children()}
        return [known for known, _ in self._making.tolist() if known != NO_ITEM and known not in alive]


@contextmanager
def explained_workers(items: WatchedItems[object], run: RunFolder) -> Iterator[None]:
    """Name the file that a worker was reading when it died, and tell errors of workers as if they were raised here.

    Raises:
        PixelwiseError: a worker failed or died.
    """
    try:
        yield
    except PixelwiseError as error:
        failed = FAILURE.match(str(error))
        if failed is None:
            raise
        raise type(error)(failed["text"].strip()) from None
    except (RuntimeError, ConnectionError, EOFError) as error:
        died = DEATH.search(str(error))
        if died is not None:
            raise _death(
                _file(items, [int(pid) for pid in died["pids"].split(",")]), run, died["how"].strip()
            ) from None
        # A worker that dies while it hands over an item is noticed by the broken connection first.
        dead = [] if isinstance(error, RuntimeError) else items.dead_workers()
        if not dead:
            raise
        raise _death(_file(items, dead), run, str(error) or type(error).__name__) from None


def _death(file: str | None, run: RunFolder, how: str) -> PixelwiseError:
    """Make the error for a worker that died, naming the file that it was reading, or else the run."""
    return PixelwiseError(
        f"{file or run.path}: a process that prepared crops of it died ({how}); if memory ran out, choose fewer "
        "workers or smaller cache_bytes; otherwise open the file with another program, and leave it out if that "
        "fails too"
    )


def _file(items: WatchedItems[object], processes: list[int]) -> str | None:
    """The picture that one of these processes was reading."""
    crops = items.items
    if not isinstance(crops, CutFromPictures):
        return None
    numbers = (items.made_by(process) for process in processes)
    return next((str(crops.pair_of(number).image) for number in numbers if number is not None), None)
