"""The outline of an object: its rings, how long it is, and the mask that rings enclose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pixelwise.instances import BoxMask
from pixelwise.io.shapes.rings import NO_REGION, Region, trace_regions


def outline(mask: BoxMask) -> list[Region]:
    """Trace the parts of an object, connected by the sides of their pixels, with their holes; the largest part first.

    Rings are in pixels of the picture, as :class:`pixelwise.io.shapes.rings.Region` has them.
    """
    grid = np.where(mask.pixels, np.int32(0), np.int32(NO_REGION))  # (h, w)
    corner = np.array([mask.left, mask.top])
    parts = [
        replace(part, shell=part.shell + corner, holes=tuple(hole + corner for hole in part.holes))
        for part in trace_regions([grid], grid.shape[1])
    ]
    return sorted(parts, key=lambda part: -part.pixels)


def perimeter(mask: BoxMask) -> float:
    """Estimate the length of the outline of an object in pixels, including the outlines of its holes.

    Crofton's formula is used: the length is pi / 2 times the number of crossings with parallel lines times the distance
    of the lines, averaged over directions. The directions here are rows, columns and both diagonals. Unlike a count of
    the edges of pixels, which makes a disc's outline 27% too long, it comes within about 2% for discs of a radius of 10
    pixels or more.
    """
    framed = np.pad(mask.pixels, 1)
    straight = np.count_nonzero(framed[:, 1:] != framed[:, :-1]) + np.count_nonzero(framed[1:] != framed[:-1])
    slanted = np.count_nonzero(framed[1:, 1:] != framed[:-1, :-1]) + np.count_nonzero(
        framed[1:, :-1] != framed[:-1, 1:]
    )
    return math.pi / 8 * (straight + slanted / math.sqrt(2))
