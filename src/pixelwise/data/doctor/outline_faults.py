"""Finding faults in the outlines of objects: corners beyond the picture, and sides that cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.annotations.outlines import Outline
from pixelwise.data.object_classes import Relabelled
from pixelwise.data.pairs import ObjectReader
from pixelwise.instances import Size

BEYOND_PIXELS = 2.0
"""The most pixels that a corner may lie beyond the picture, because tools clip outlines there only roughly."""
CROSSED_CORNERS = 400
"""The most corners of an outline that is checked for crossings; with more corners, it would take too long."""


@dataclass(frozen=True)
class OutlineFaults:
    """How many outlines of a picture are faulty.

    Args:
        beyond: the number of outlines that reach more than :data:`BEYOND_PIXELS` beyond the picture.
        crossing: the number of outlines whose sides cross.
    """

    beyond: int = 0
    crossing: int = 0


@runtime_checkable
class HasOutlines(Protocol):
    """A reader of objects that have outlines."""

    def outlines_in_pixels(self, size: Size) -> tuple[Outline, ...]:
        """The outlines, their points in pixels of a picture of height and width ``size``."""
        ...


def find_outline_faults(reader: ObjectReader, size: Size) -> OutlineFaults:
    """Count the faulty outlines of a picture of height and width ``size``; 0 if its objects have no outlines."""
    while isinstance(reader, Relabelled):
        reader = reader.reader
    if not isinstance(reader, HasOutlines):
        return OutlineFaults()
    outlines = reader.outlines_in_pixels(size)
    beyond = sum(any(_is_beyond(points, size) for points in outline.polygons) for outline in outlines)
    crossing = sum(any(crosses(points) for points in outline.polygons) for outline in outlines)
    return OutlineFaults(beyond, crossing)


def _is_beyond(points: NDArray[Any], size: Size) -> bool:
    height, width = size
    far = (points < -BEYOND_PIXELS) | (points > np.array([width, height]) + BEYOND_PIXELS)
    return bool(far.any())


def crosses(points: NDArray[Any]) -> bool:
    """Whether two sides of a closed outline (n, 2) cross at a point inside both; touching is no crossing."""
    count = len(points)
    if not 4 <= count <= CROSSED_CORNERS:
        return False
    starts, ends = points, np.roll(points, -1, axis=0)
    ahead = ends - starts

    def side_of(other: NDArray[Any]) -> NDArray[np.float64]:
        """Give the side of the line through side i on which point j lies: (n, n), positive, negative or 0."""
        offset = other[None] - starts[:, None]
        return np.asarray(np.sign(ahead[:, None, 0] * offset[..., 1] - ahead[:, None, 1] * offset[..., 0]))

    apart = side_of(starts) * side_of(ends) < 0  # [i, j]: the ends of side j lie on both sides of line i
    return bool((apart & apart.T).any())
