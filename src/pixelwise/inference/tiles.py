"""Computing a picture tile by tile: which pixels are read, and what the runtime is fed."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelwise.io.ahead import read_ahead
from pixelwise.tiling import Tile, TilePlan, Window

ReadWindow = Callable[[slice, slice], NDArray[Any]]
"""Gives rows and columns of a picture as uint8 (C, h, w), or as float32 on the same scale if the picture is resized. It
is called on threads."""

TileResultT = TypeVar("TileResultT")

MAPPED_BLOCK_BYTES = 8 << 20
"""Blocks of memory of this many bytes or more are mapped separately instead of being kept in the heap."""


def each_tile(
    plan: TilePlan,
    read: ReadWindow,
    compute: Callable[[NDArray[np.uint8], Window], TileResultT],
    *,
    tiles: Sequence[Tile] | None = None,
) -> Generator[tuple[Tile, TileResultT], None, None]:
    """Compute every tile of a plan, reading the next one meanwhile; close it where it is left before its end.

    Args:
        plan: how the picture is cut.
        read: gives windows of the picture.
        compute: called with the input of the network (C, h, w) and the window of it that is wanted.
        tiles: some tiles of the plan; by default all of them.
    """
    if not plan.whole:
        hold_no_more_than_needed()
    tiles = list(plan) if tiles is None else tiles
    with closing(read_ahead(lambda tile: show(read, tile, plan), tiles, threads=1)) as seen:
        for tile, image in zip(tiles, seen, strict=True):
            result = compute(image.result(), inside(tile, plan.geometry.margin))
            if not plan.whole:
                release_free_memory()
            yield tile, result


def hold_no_more_than_needed() -> None:
    """Let glibc map each large block separately, for the rest of this process; elsewhere nothing happens.

    Inside the heap, the maps of a network leave gaps that the next maps do not fit into: tiles took one and a half
    times the memory that was in use at any time. Blocks that are mapped separately go back to the system as soon as
    they are free. Smaller blocks stay in the heap, where a block costs less.
    """
    if not sys.platform.startswith("linux"):
        return
    mmap_threshold, mmap_max = -3, -4  # parameter numbers of malloc.h
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_max, 1 << 16)
        libc.mallopt(mmap_threshold, MAPPED_BLOCK_BYTES)


def release_free_memory() -> None:
    """Give free blocks inside the heap back to the system, on glibc; elsewhere nothing happens.

    Tiles at borders differ in size from those inside, so that the next tile cannot use the blocks that one has freed:
    the heap would grow to twice the memory of a tile.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def show(read: ReadWindow, tile: Tile, plan: TilePlan) -> NDArray[np.uint8]:
    """Read the network's input for a tile, mirrored beyond the picture where the network does not pad it itself."""
    (rows, columns), (height, width) = tile.read, plan.size
    if not plan.geometry.margin:
        return read(slice(rows.start, min(rows.stop, height)), slice(columns.start, min(columns.stop, width)))
    down, along = mirrored(rows, height), mirrored(columns, width)
    top, left = int(down.min()), int(along.min())
    part = read(slice(top, int(down.max()) + 1), slice(left, int(along.max()) + 1))
    return part[:, down - top][:, :, along - left]


def mirrored(window: slice, size: int) -> NDArray[np.int64]:
    """Give the index of the pixel at each place of a window, mirrored at the border pixels."""
    turn = max(1, 2 * (size - 1))
    place = np.arange(window.start, window.stop) % turn
    nearest: NDArray[np.int64] = np.minimum(np.minimum(place, turn - place), size - 1)
    return nearest


def inside(tile: Tile, margin: int) -> Window:
    """Find the window that is written within the output for what was read."""
    (rows, columns), (read_rows, read_columns) = tile.write, tile.read
    down, along = read_rows.start + margin, read_columns.start + margin
    return slice(rows.start - down, rows.stop - down), slice(columns.start - along, columns.stop - along)
