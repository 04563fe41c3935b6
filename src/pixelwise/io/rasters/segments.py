"""A cache of decoded pieces of a raster (tiles, strips, chunks), which neighbouring windows share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEGMENT_CACHE_BYTES = 64 * 2**20
"""The decoded bytes that a raster keeps for the next windows."""


class SegmentCache:
    """Keeps the pieces that were used most recently.

    Args:
        limit: how many bytes are kept; the newest piece is kept even where it alone is larger.
    """

    def __init__(self, limit: int = SEGMENT_CACHE_BYTES) -> None:
        self.limit = limit
        self.held = 0
        self._pieces: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()

    def get(self, key: Hashable, decode: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Give the piece with the name ``key``; decode it if it is not in the cache."""
        if key in self._pieces:
            self._pieces.move_to_end(key)
            return self._pieces[key]
        piece = decode()
        self._pieces[key] = piece
        self.held += piece.nbytes
        while self.held > self.limit and len(self._pieces) > 1:
            self.held -= self._pieces.popitem(last=False)[1].nbytes
        return piece

    def clear(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self.held = 0


def paste(window: NDArray[Any], piece: NDArray[Any], *, row: int, column: int) -> None:
    """Copy the part of a piece that lies in a window into it.

    Args:
        window: (C, h, w), written to.
        piece: (C, height, width).
        row: where the first row of the piece lies, counted from the first row of the window; may be negative.
        column: where its first column lies, counted from the first column of the window.
    """
    height, width = window.shape[1:]
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + piece.shape[1], height), min(column + piece.shape[2], width)
    if top < bottom and left < right:
        window[:, top:bottom, left:right] = piece[:, top - row : bottom - row, left - column : right - column]


def covering(start: int, length: int, piece: int) -> range:
    """Number the pieces of a given length that cover ``length`` pixels from ``start``."""
    return range(start // piece, -(-(start + length) // piece))


def nothing(shape: tuple[int, ...], dtype: np.dtype[Any], fill: float) -> NDArray[Any]:
    """Make an array of the value that pixels have which are not stored; a value that the type cannot hold becomes 0."""
    try:
        return np.full(shape, fill, dtype)
    except (OverflowError, ValueError):
        return np.zeros(shape, dtype)
