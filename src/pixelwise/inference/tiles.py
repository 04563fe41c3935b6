"""Computing a picture tile by tile: what is read, what the runtime is shown, and how much tiles differ at seams."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.runtime import Runtime
from pixelwise.io.ahead import read_ahead
from pixelwise.tiling import Tile, TilePlan, Window, read_window

Reader = Callable[[slice, slice], NDArray[np.uint8]]
"""Gives rows and columns of a picture as uint8 (C, h, w); is called on threads."""

Result = TypeVar("Result")

LARGE = 8 << 20
"""Bytes of a block from which on it is better mapped for itself than kept in the heap."""

SEAM_WINDOWS = 16
SEAM_SIDE = 128
"""How many windows are computed again to measure seams, and their largest side in pixels."""


def each_tile(
    plan: TilePlan,
    read: Reader,
    compute: Callable[[NDArray[np.uint8], Window], Result],
    *,
    tiles: Sequence[Tile] | None = None,
) -> Iterator[tuple[Tile, Result]]:
    """Compute every tile of a plan, reading the next one meanwhile.

    Args:
        plan: how the picture is cut.
        read: gives windows of the picture.
        compute: called with what the network is shown (C, h, w) and which window of it is wanted.
        tiles: some of the plan; by default all.
    """
    if not plan.whole:
        hold_no_more_than_needed()
    tiles = list(plan) if tiles is None else tiles
    shown = read_ahead(lambda tile: show(read, tile, plan), tiles, threads=1)
    for tile, image in zip(tiles, shown, strict=True):
        result = compute(image.result(), inside(tile, plan.geometry.margin))
        if not plan.whole:
            release_free_memory()
        yield tile, result


def hold_no_more_than_needed() -> None:
    """Let glibc map large blocks each for itself, for the rest of this process; elsewhere nothing happens.

    Inside the heap the maps of a network leave gaps that its next ones do not fit into: tiles took half as much again
    as was live at any time. Blocks of their own go back to the system as soon as they are free; smaller ones stay in
    the heap, where a block costs less.
    """
    if not sys.platform.startswith("linux"):
        return
    mmap_threshold, mmap_max = -3, -4  # parameter numbers of malloc.h
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_max, 1 << 16)
        libc.mallopt(mmap_threshold, LARGE)


def release_free_memory() -> None:
    """Give free blocks inside the heap back to the system, on glibc; elsewhere nothing happens.

    Tiles at borders have other sizes than those inside, so that the blocks that one leaves do not serve the next: the
    heap would grow to twice what a tile takes.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def show(read: Reader, tile: Tile, plan: TilePlan) -> NDArray[np.uint8]:
    """Read what the network is shown for a tile, mirrored beyond the picture where the network pads nothing itself."""
    (rows, columns), (height, width) = tile.read, plan.size
    if not plan.geometry.margin:
        return read(slice(rows.start, min(rows.stop, height)), slice(columns.start, min(columns.stop, width)))
    down, along = mirrored(rows, height), mirrored(columns, width)
    top, left = int(down.min()), int(along.min())
    part = read(slice(top, int(down.max()) + 1), slice(left, int(along.max()) + 1))
    return part[:, down - top][:, :, along - left]


def mirrored(window: slice, size: int) -> NDArray[np.int64]:
    """Name the pixel that stands at each place of a window, as a mirror at the border pixels shows them."""
    turn = max(1, 2 * (size - 1))
    place = np.arange(window.start, window.stop) % turn
    nearest: NDArray[np.int64] = np.minimum(np.minimum(place, turn - place), size - 1)
    return nearest


def inside(tile: Tile, margin: int) -> Window:
    """Find the window that is written within the output for what was read."""
    (rows, columns), (read_rows, read_columns) = tile.write, tile.read
    down, along = read_rows.start + margin, read_columns.start + margin
    return slice(rows.start - down, rows.stop - down), slice(columns.start - along, columns.stop - along)


class Seams:
    """Measures how far tiles with a short halo differ from tiles with twice the halo, at the corners of tiles.

    Args:
        plan: how the picture is cut.
        read: gives windows of the picture.
        runtime: what computes.
        count: tiles that will be looked at; by default all of the plan.
    """

    def __init__(self, plan: TilePlan, read: Reader, runtime: Runtime, *, count: int | None = None) -> None:
        self.plan = plan
        self.read = read
        self.runtime = runtime
        count = len(plan) if count is None else count
        self.sampled = {round((i + 0.5) * count / SEAM_WINDOWS - 0.5) for i in range(SEAM_WINDOWS)}
        self.done = 0
        self.pixels = 0
        self.differing = 0

    def look(self, tile: Tile, labels: NDArray[np.integer[Any]]) -> None:
        """Take in the labels of the next tile; some are computed again in part."""
        number, self.done = self.done, self.done + 1
        if self.plan.exact or number not in self.sampled:
            return
        assert self.plan.halo is not None
        rows, columns = (_corner(write, size) for write, size in zip(tile.write, self.plan.size, strict=True))
        wider = max(2 * self.plan.halo, self.plan.geometry.period)
        reads = tuple(
            read_window(write, size, self.plan.geometry, wider)
            for write, size in zip((rows, columns), self.plan.size, strict=True)
        )
        again = Tile((reads[0], reads[1]), (rows, columns))
        better = self.runtime.labels(show(self.read, again, self.plan), inside(again, self.plan.geometry.margin))
        top, left = tile.write[0].start, tile.write[1].start
        own = labels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        self.pixels += own.size
        self.differing += int((own != better).sum())
        release_free_memory()

    @property
    def error(self) -> float | None:
        """Share of the pixels looked at that differ; None for exact tiles, and where nothing was looked at."""
        return self.differing / self.pixels if self.pixels else None


def _corner(write: slice, size: int) -> slice:
    """The part of a tile next to a seam: at its start, or at its end where it starts with the picture."""
    side = min(SEAM_SIDE, write.stop - write.start)
    return slice(write.start, write.start + side) if write.start else slice(write.stop - side, write.stop)
