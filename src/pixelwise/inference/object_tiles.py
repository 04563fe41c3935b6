"""Tiles for networks that find objects: they overlap, so that one of them holds each object as a whole."""

from __future__ import annotations

import math

from pixelwise.errors import SettingError
from pixelwise.geometry import Geometry
from pixelwise.tiling import WHOLE_PICTURE_REASON, Mode, TilePlan

LEAST_SIDE_PER_HALO = 6
"""The halo is at most one part in this many of the side of a tile's input, so that tiles cost at most 2.25 times the
whole picture."""

LEAST_OBJECT_HALO = 32
"""The shortest halo in pixels."""


def choose_object_tiles(
    size: tuple[int, int],
    geometry: Geometry,
    *,
    bytes_per_pixel: float,
    bytes_more: float,
    largest: float,
    mode: Mode = "auto",
    tile: int | None = None,
    memory: int = 1 << 30,
    bounded: bool = False,
) -> TilePlan:
    """Choose tiles for a picture; the same arguments give the same tiles everywhere.

    At least half of the memory is for pixels, even where the fixed memory of a tile leaves less: smaller tiles would
    only take the fixed memory more often. A picture that fits is one tile. Other pictures are cut into tiles with a
    halo of half the side of the largest objects, but at most a sixth of the side that fits into the memory. An object
    of up to twice the halo then lies whole in the input of the tile that holds its centre. Tiles are never exact,
    because a network that finds objects compares all objects of a picture with each other.

    Args:
        size: height and width of the picture in pixels.
        geometry: gives the period.
        bytes_per_pixel: memory that the network takes per input pixel.
        bytes_more: memory that it takes whatever the input.
        largest: side of the largest objects in pixels.
        mode: ``"auto"``, ``"fast"``, or ``"exact"``, which refuses pictures that do not fit.
        tile: side in pixels of the window of each tile, without halo; None fits it into the memory.
        memory: bytes that computing a tile may take.
        bounded: whether pictures are never larger than the network was made for, because they are resized. A picture is
            then one tile even where that takes more than the memory, unless a tile size or fast mode is asked for.

    Raises:
        SettingError: the picture does not fit and exact tiles are asked for, or there is no such mode or tile.
    """
    if mode not in ("auto", "exact", "fast"):
        raise SettingError(f"there is no mode '{mode}'; choose auto, exact or fast")
    if tile is not None and tile < 1:
        raise SettingError(f"a tile is at least 1 pixel, got {tile}")
    padded = [geometry.padded_size(side) for side in size]
    left = max(memory - bytes_more, memory / 2)
    fits = math.prod(padded) * bytes_per_pixel <= left if tile is None else tile >= max(size)
    if fits or (bounded and tile is None and mode == "auto"):
        over = _tell_excess(math.prod(padded) * bytes_per_pixel + bytes_more, memory)
        return TilePlan(size, size, geometry, None, True, 1.0, f"{WHOLE_PICTURE_REASON}{over}")
    if mode == "exact":
        raise SettingError(
            "a network that finds objects compares all objects of a picture, so no tiles equal the whole; take fast "
            "or auto, or a memory that holds the picture",
            argument="mode",
        )
    period = geometry.period
    wanted = _up(max(largest / 2, LEAST_OBJECT_HALO), period)
    if tile is None:
        seen = int(math.sqrt(left / bytes_per_pixel)) // period * period
        halo = max(_up(LEAST_OBJECT_HALO, period), min(wanted, seen // LEAST_SIDE_PER_HALO // period * period))
        room = max(period, seen - 2 * halo)
        sides = [_up(math.ceil(side / math.ceil(side / room)), period) for side in size]
    else:
        halo, sides = (
            max(_up(LEAST_OBJECT_HALO, period), min(wanted, _up(tile / (LEAST_SIDE_PER_HALO - 2), period))),
            [tile, tile],
        )
        seen = tile + 2 * halo
    plan = TilePlan(size, (sides[0], sides[1]), geometry, halo, False, 0.0, "")
    cost = sum(
        (min(cut.read[0].stop, padded[0]) - cut.read[0].start) * (min(cut.read[1].stop, padded[1]) - cut.read[1].start)
        for cut in plan
    ) / math.prod(padded)
    needed = math.prod(side + 2 * halo for side in sides) * bytes_per_pixel + bytes_more
    over = _tell_excess(needed, memory)
    reason = f"tiles see {halo} pixels around them, so that objects up to {2 * halo} pixels lie whole in one{over}"
    return TilePlan(size, plan.tile, geometry, halo, False, cost, reason)


def _tell_excess(needed: float, memory: int) -> str:
    """Say how much memory a tile takes, where that is more than the limit."""
    return (
        f"; that takes {needed / 2**20:.0f} MiB, more than the {memory / 2**20:.0f} asked for"
        if needed > memory
        else ""
    )


def _up(value: float, period: int) -> int:
    """The next multiple of the period."""
    return math.ceil(value / period) * period
