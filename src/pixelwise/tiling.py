"""Cutting a picture into tiles that together equal the whole; this module computes only positions.

A network whose receptive field is known gives the same output for a pixel, whether its input is the whole picture or
only the pixels that the output reads, if the piece begins at a multiple of the network's period: every stage then
samples the same cells. U-Net's overlap-tile strategy for unpadded convolutions therefore works for padded ones as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pixelwise.errors import SettingError
from pixelwise.geometry import Geometry
from pixelwise.words import counted

WHOLE_PICTURE_REASON = "the picture fits into one tile"
"""The reason that a plan states where the whole picture is one tile."""

Window = tuple[slice, slice]
"""Rows and columns of a picture, with start and stop."""

Mode = Literal["auto", "exact", "fast"]

FAST_HALO = 96
"""The halo in pixels of tiles in fast mode, rounded up to the period, where no other halo was measured."""

MOST_EXACT_COST = 1.5
"""The mode ``auto`` takes exact tiles if their arithmetic is less than this many times that of the whole picture."""


@dataclass(frozen=True)
class PixelCost:
    """The memory and arithmetic per pixel, for pixels computed to the end and for pixels of the halo.

    Decoders that can leave out unwanted pixels compute little more than the encoder for pixels of the halo.

    Args:
        bytes: memory per pixel that is computed to the end.
        bytes_around: memory per pixel of the halo while the encoder computes.
        bytes_held: memory per pixel of the halo while the rest is computed.
        share_around: arithmetic for a pixel of the halo over that for one that is computed to the end.
    """

    bytes: float
    bytes_around: float
    bytes_held: float
    share_around: float

    @classmethod
    def even(cls, bytes_per_pixel: float) -> PixelCost:
        """Make the cost of a network that computes the same for every pixel that it reads."""
        return cls(bytes_per_pixel, bytes_per_pixel, bytes_per_pixel, 1.0)

    def memory(self, seen: int, ended: int) -> float:
        """Bytes for a square of side ``shown``, of which one of side ``ended`` is computed to the end."""
        around = seen**2 - ended**2
        return max(self.bytes_around * seen**2, self.bytes * ended**2 + self.bytes_held * around)


class Tile(NamedTuple):
    """One piece of work."""

    read: Window
    """The pixels that the network reads. They may begin before the picture or end beyond it. There, the picture is
    mirrored for a network with unpadded convolutions (``geometry.margin > 0``), and for other networks the network's
    own padding takes their place."""
    write: Window
    """The part of the output that is kept."""


def plan_tiles(
    size: tuple[int, int], tile: int | tuple[int, int], geometry: Geometry, *, halo: int | None = None
) -> Iterator[Tile]:
    """Cut a picture into tiles, row by row.

    Args:
        size: height and width of the picture in pixels.
        tile: side in pixels of the windows that are written, or height and width; those at the bottom and the right
            are smaller. They are disjoint and cover the picture.
        geometry: the geometry of the network's full-size output.
        halo: pixels to read around a window; None takes all pixels that the network reads, which makes tiles equal the
            whole. Networks with unpadded convolutions always read all of them.

    Raises:
        SettingError: a size, tile or halo that is not positive, or no halo for a network that sees the whole picture,
            unless one tile holds it.
    """
    height, width = (tile, tile) if isinstance(tile, int) else tile
    if min(*size, height, width) < 1 or (halo is not None and halo < 0):
        raise SettingError(f"picture {size} and tile {(height, width)} are at least 1, halo {halo} at least 0")
    if halo is None and geometry.whole and (size[0] > height or size[1] > width):
        raise SettingError(
            f"this network sees the whole picture, so tiles of {height}x{width} cannot equal it; give a halo"
        )
    rows = _cut(size[0], height, geometry, halo)
    columns = _cut(size[1], width, geometry, halo)
    return (Tile((row_read, column_read), (row, column)) for row_read, row in rows for column_read, column in columns)


def _cut(size: int, tile: int, geometry: Geometry, halo: int | None) -> list[tuple[slice, slice]]:
    """Cut one axis: what is read, what is written."""
    writes = [slice(first, min(first + tile, size)) for first in range(0, size, tile)]
    return [(read_window(write, size, geometry, halo), write) for write in writes]


def read_window(write: slice, size: int, geometry: Geometry, halo: int | None) -> slice:
    """Find the pixels that the network reads, along one axis, for a window that is written.

    Args:
        write: the window, in pixels.
        size: length of the picture.
        geometry: the geometry of the network's full-size output.
        halo: as for :func:`plan_tiles`.
    """
    period, margin = geometry.period, geometry.margin
    if margin:
        start = write.start // period * period
        return slice(start - margin, start - margin + geometry.input_size(write.stop - start))
    padded = geometry.padded_size(size)
    if write.stop - write.start == size:
        return slice(0, padded)
    if halo is None:
        first, last = geometry.reads(write.start, write.stop - 1)
    else:
        first, last = write.start - halo, write.stop - 1 + halo
    start, stop = first // period * period, -(-(last + 1) // period) * period
    # A piece near the end keeps at least the smallest size that the network computes on, as the whole picture does.
    return slice(max(0, min(start, padded - geometry.smallest)), min(padded, stop))


@dataclass(frozen=True)
class TilePlan:
    """The plan by which a picture is computed.

    Args:
        size: height and width of the picture in pixels.
        tile: height and width of the windows that are written.
        geometry: the geometry of the network.
        halo: as for :func:`plan_tiles`.
        exact: whether the result is that of the whole picture at once.
        cost: arithmetic over that of the whole picture.
        reason: why this plan was chosen, in words.
        resized_from: height and width of the picture as it is stored, where it is resized to ``size`` before.
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    geometry: Geometry
    halo: int | None
    exact: bool
    cost: float
    reason: str
    resized_from: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Tile]:
        return plan_tiles(self.size, self.tile, self.geometry, halo=self.halo)

    def __len__(self) -> int:
        return math.prod(-(-side // tile) for side, tile in zip(self.size, self.tile, strict=True))

    @property
    def whole(self) -> bool:
        """Whether one tile holds the picture."""
        return len(self) == 1

    @property
    def plain(self) -> bool:
        """Whether there is nothing to report: one tile that fits into the memory, the picture at its own size."""
        return self.whole and self.reason == WHOLE_PICTURE_REASON and self.resized_from is None


def choose_tiles(
    size: tuple[int, int],
    geometry: Geometry,
    *,
    cost: PixelCost,
    mode: Mode = "auto",
    tile: int | None = None,
    memory: int = 1 << 30,
    border: int = 0,
    fast_halo: int = FAST_HALO,
) -> TilePlan:
    """Choose the tiles for a picture; the same arguments give the same tiles everywhere.

    A picture that fits into the memory is one tile, which is exact for every network. Otherwise ``"exact"`` tiles
    carry all that the network reads, ``"fast"`` tiles carry ``fast_halo`` pixels, and ``"auto"`` takes exact ones where
    they cost less than :data:`MOST_EXACT_COST` times the arithmetic of the whole picture. Tiles are squares as large
    as fit into the memory, whatever the picture, so that memory does not grow with it.

    Args:
        size: height and width of the picture in pixels.
        geometry: the geometry of the network's full-size output.
        cost: memory and arithmetic of the network per pixel.
        mode: ``"auto"``, ``"exact"`` or ``"fast"``.
        tile: side in pixels of the windows that are written; None fits them into the memory.
        memory: bytes that computing a tile may take.
        border: pixels that are added at each side of the network's input, which take memory as well.
        fast_halo: halo in pixels of tiles in fast mode, rounded up to the period.

    If not even the smallest fast tile fits, it is taken nevertheless, and the reason says by how much it exceeds the
    memory.

    Raises:
        SettingError: exact tiles are asked for and the network sees the whole picture, or they do not fit into the
            memory; or the memory is less than the smallest picture takes.
    """
    if mode not in ("auto", "exact", "fast"):
        raise SettingError(f"there is no mode '{mode}'; choose auto, exact or fast")
    if tile is not None and tile < 1:
        raise SettingError(f"a tile is at least 1 pixel, got {tile}")
    padded = (geometry.padded_size(size[0]), geometry.padded_size(size[1]))
    seen = (padded[0] + 2 * border) * (padded[1] + 2 * border)
    fits = seen * cost.bytes <= memory if tile is None else tile >= max(size)
    if fits:
        return TilePlan(size, padded, geometry, None, True, 1.0, WHOLE_PICTURE_REASON)
    room = _Room(geometry, cost, memory, border)
    exact = None if mode == "fast" else _exact_plan(size, room, tile)
    if mode == "exact":
        if geometry.whole:
            raise SettingError(
                "this network sees the whole picture (image pooling, squeeze-excite or attention), so no tiles equal "
                "it; take fast or auto, or a memory that holds the picture",
                argument="mode",
            )
        if exact is None:
            assert geometry.context is not None
            needed = room.needed(geometry.period, geometry.context + geometry.margin)
            raise SettingError(
                f"exact tiles need about {math.ceil(needed / 2**20)} MiB for what this network reads around a tile, "
                f"more than {memory >> 20} MiB; raise it, or take the mode fast",
                argument="memory",
            )
        return exact
    if exact is not None and (exact.cost < MOST_EXACT_COST or geometry.margin):
        return exact
    halo = -(-fast_halo // geometry.period) * geometry.period
    if geometry.context is not None:
        halo = min(halo, geometry.context)
    side = room.side(halo + geometry.margin) if tile is None else tile
    excess = ""
    if side is None:
        side = geometry.period
        excess = room.tell_excess(halo + geometry.margin)
    if mode == "fast":
        reason = f"tiles see {counted(halo, 'pixel')} around them, as fast mode was asked for"
    elif geometry.whole:
        reason = f"the network sees the whole picture, which does not fit into the memory: tiles see {halo} around them"
    elif exact is None:
        reason = f"exact tiles do not fit into the memory: tiles see {halo} of {geometry.context} pixels around them"
    else:
        reason = (
            f"exact tiles would cost {exact.cost:.1f} times the arithmetic: tiles see {halo} of {geometry.context} "
            "pixels around them"
        )
    whole_reach = geometry.margin > 0 or geometry.context == halo
    return _plan(size, side, geometry, halo, cost, exact=whole_reach, reason=reason + excess)


@dataclass(frozen=True)
class _Room:
    """The sizes of tiles that fit into a memory."""

    geometry: Geometry
    cost: PixelCost
    memory: int
    border: int

    def needed(self, side: int, halo: int) -> float:
        """The bytes of tiles with a side and a halo."""
        # Reads begin and end at multiples of the period, which may add almost a period at each side, as may decoders.
        period = self.geometry.period
        seen = side + 2 * (-(-halo // period) * period + self.border)
        return self.cost.memory(seen, min(seen, side + 2 * (period + self.border)))

    def side(self, halo: int) -> int | None:
        """The largest side of square tiles that fit with their halo; None where none fit."""
        period = self.geometry.period
        least = min(self.cost.bytes, self.cost.bytes_around)
        largest = int(math.sqrt(self.memory / least)) // period * period
        return next((side for side in range(largest, 0, -period) if self.needed(side, halo) <= self.memory), None)

    def tell_excess(self, halo: int) -> str:
        """Say how far the smallest tile exceeds the memory.

        Raises:
            SettingError: the memory does not even hold the smallest picture that the network computes.
        """
        least = math.ceil((self.geometry.smallest + 2 * self.border) ** 2 * self.cost.bytes / 2**20)
        if least << 20 > max(self.memory, 1 << 20):
            raise SettingError(
                f"{self.memory / 2**20:g} MiB do not hold the smallest picture that this network computes, about "
                f"{least} MiB; raise it, or give the side of tiles",
                argument="memory",
            )
        needed = math.ceil(self.needed(self.geometry.period, halo) / 2**20)
        return f"; the smallest tile takes about {needed} MiB, more than the {self.memory / 2**20:g} MiB asked for"


def _exact_plan(size: tuple[int, int], room: _Room, tile: int | None) -> TilePlan | None:
    geometry = room.geometry
    if geometry.whole:
        return None
    assert geometry.context is not None
    around = geometry.context + geometry.margin
    side = room.side(around) if tile is None else tile
    if side is None:
        return None
    reason = f"tiles carry all {counted(around, 'pixel')} that the network reads around them"
    return _plan(size, side, geometry, None, room.cost, exact=True, reason=reason)


def _plan(
    size: tuple[int, int],
    side: int,
    geometry: Geometry,
    halo: int | None,
    cost: PixelCost,
    *,
    exact: bool,
    reason: str,
) -> TilePlan:
    """Cut a picture into squares, and count their arithmetic."""
    whole, seen, ended = 1, 1, 1
    for length in size:
        read = read_window(slice(0, length), length, geometry, halo)
        whole *= read.stop - read.start
        cuts = [(cut.stop - cut.start, write.stop - write.start) for cut, write in _cut(length, side, geometry, halo)]
        seen *= sum(read for read, _ in cuts)
        # Decoders compute about half a period more at each side.
        ended *= sum(min(read, write + geometry.period) for read, write in cuts)
    arithmetic = cost.share_around * seen + (1 - cost.share_around) * ended
    return TilePlan(size, (side, side), geometry, halo, exact, arithmetic / whole, reason)
