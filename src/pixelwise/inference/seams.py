"""Measuring how much the labels of tiles with a short halo differ from those with a longer halo, where tiles meet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.tiles import ReadWindow, inside, release_free_memory, show
from pixelwise.tiling import Tile, TilePlan, Window, read_window

SEAM_SIDE = 64
"""The side in pixels of the corner of a tile that is compared; smaller tiles are compared whole."""

FEWEST_SEAMS, MOST_SEAMS = 4, 16
"""The least and the largest number of compared places. Four tiles meet at each, so at least sixteen corners are
compared."""

SEAM_SHARE = 1 / 16
"""The share of the pixels read by tiles that is read again for the comparison, so that it takes little time."""


@dataclass(eq=False)
class _Place:
    """A place where tiles meet, and what is known about it."""

    window: Window
    labels: NDArray[Any]
    seen: NDArray[np.bool_]


class Seams:
    """Computes the surroundings of some tile corners again with twice the halo, and counts the pixels that differ.

    Args:
        plan: how the picture is cut.
        read: gives windows of the picture.
        runtime: what computes.
        tiles: the tiles that will be computed, in their order; by default all tiles of the plan.
    """

    def __init__(
        self, plan: TilePlan, read: ReadWindow, runtime: Runtime, *, tiles: Sequence[Tile] | None = None
    ) -> None:
        self.plan = plan
        self.read = read
        self.runtime = runtime
        self.pixels = 0
        self.differing = 0
        tiles = list(plan) if tiles is None else tiles
        meeting = [] if plan.exact else list(dict.fromkeys(_corner(tile, plan.size) for tile in tiles))
        count = min(len(meeting), self._affordable(len(tiles))) if meeting else 0
        chosen = dict.fromkeys(meeting[round((i + 0.5) * len(meeting) / count - 0.5)] for i in range(count))
        self._waiting = [self._around(*place) for place in chosen]

    def _affordable(self, tiles: int) -> int:
        """The number of places that may be compared if this many tiles are computed."""
        assert self.plan.halo is not None
        tile = math.prod(side + 2 * self.plan.halo for side in self.plan.tile)
        return max(
            FEWEST_SEAMS, min(MOST_SEAMS, int(SEAM_SHARE * tiles * tile / (2 * SEAM_SIDE + 4 * self.plan.halo) ** 2))
        )

    def _around(self, row: int, column: int) -> _Place:
        rows, columns = (
            slice(max(0, at - min(SEAM_SIDE, tile)), min(length, at + min(SEAM_SIDE, tile)))
            for at, length, tile in zip((row, column), self.plan.size, self.plan.tile, strict=True)
        )
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        return _Place((rows, columns), np.zeros(shape, self.runtime.card.label_space.dtype), np.zeros(shape, np.bool_))

    def look(self, tile: Tile, labels: NDArray[np.integer[Any]]) -> None:
        """Take in the labels of the next tile."""
        for place in list(self._waiting):
            shared = [
                slice(max(write.start, side.start), min(write.stop, side.stop))
                for write, side in zip(tile.write, place.window, strict=True)
            ]
            if any(side.start >= side.stop for side in shared):
                continue
            theirs, ours = (
                tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip(shared, origin, strict=True))
                for origin in (tile.write, place.window)
            )
            place.labels[ours], place.seen[ours] = labels[theirs], True
            if place.seen.all():
                self._compare(place)

    def finish(self) -> float | None:
        """Compare the remaining places, of which an earlier run computed some of the tiles.

        Returns:
            The share of the compared pixels that differ; None for exact tiles, and where nothing was compared.
        """
        for place in list(self._waiting):
            self._compare(place)
        return self.differing / self.pixels if self.pixels else None

    def _compare(self, place: _Place) -> None:
        self._waiting.remove(place)
        if not place.seen.any():
            return
        assert self.plan.halo is not None
        geometry = self.plan.geometry
        wider = max(2 * self.plan.halo, geometry.period)
        rows, columns = (
            read_window(side, length, geometry, wider)
            for side, length in zip(place.window, self.plan.size, strict=True)
        )
        again = Tile((rows, columns), place.window)
        better = self.runtime.labels(show(self.read, again, self.plan), inside(again, geometry.margin))
        self.pixels += int(place.seen.sum())
        self.differing += int((place.seen & (place.labels != better)).sum())
        release_free_memory()


def _corner(tile: Tile, size: tuple[int, int]) -> tuple[int, int]:
    """Where a tile meets others: at its first corner, or at another corner if the picture ends at the first one."""
    row, column = (
        write.start or (write.stop if write.stop < length else length // 2)
        for write, length in zip(tile.write, size, strict=True)
    )
    return row, column
