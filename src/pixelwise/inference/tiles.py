"""Computing a picture tile by tile: what is read, and what the runtime is shown."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelwise.io.ahead import read_ahead
from pixelwise.tiling import Tile, TilePlan, Window

ReadWindow = Callable[[slice, slice], NDArray[Any]]
"""Gives rows and columns of a picture as uint8 (C, h, w), of a resized one as float32 on the same scale; is called on
threads."""

TileResultT = TypeVar("TileResultT")

MAPPED_BLOCK_BYTES = 8 << 20
"""Bytes of a block from which on it is better mapped for itself than kept in the heap."""


def each_tile(
    plan: TilePlan,
    read: ReadWindow,
    compute: Callable[[NDArray[np.uint8], Window], TileResultT],
    *,
    tiles: Sequence[Tile] | None = None,
) -> Iterator[tuple[Tile, TileResultT]]:
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
    seen = read_ahead(lambda tile: show(read, tile, plan), tiles, threads=1)
    for tile, image in zip(tiles, seen, strict=True):
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
        libc.mallopt(mmap_threshold, MAPPED_BLOCK_BYTES)


def release_free_memory() -> None:
    """Give free blocks inside the heap back to the system, on glibc; elsewhere nothing happens.

    Tiles at borders have other sizes than those inside, so that the blocks that one leaves do not serve the next: the
    heap would grow to twice what a tile takes.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def show(read: ReadWindow, tile: Tile, plan: TilePlan) -> NDArray[np.uint8]:
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
