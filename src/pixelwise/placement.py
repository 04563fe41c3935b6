"""How the coarse cells of a semantic model lie on pictures, and what it computes around a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelwise.geometry import Geometry

PerAxis = float | tuple[float, float]
"""A number for both axes, or one for the rows and one for the columns."""

Stretch = Literal["half_pixel", "corners"]
"""How a map without an exact grid is stretched over the computed picture: over its area, or from corner to corner."""

Around = Literal["period", "margin", "nothing"]
"""What is added to a picture: rows and columns at the end up to whole periods, a mirrored margin on all sides, which
unpadded convolutions lose, or nothing."""


class CoarseArray(NamedTuple):
    """Coarse logits in main memory, and how they lie on a picture; :class:`pixelwise.models.Coarse` without torch."""

    logits: NDArray[np.float32]
    """(1, K, h, w)."""
    size: tuple[int, int]
    """Height and width of the picture."""
    scale: PerAxis
    offset: PerAxis
    """Pixel ``y`` reads coarse row ``y * scale + offset``, for both axes or for each."""


@dataclass(frozen=True)
class Placement:
    """How coarse cells lie on pictures.

    Args:
        stride: input pixels from one coarse cell to the next.
        first: the pixel on which cell 0 lies.
        stretch: how the map is stretched, if it has no exact grid; ``stride`` and ``first`` then do not matter.
        around: what is added to a picture before the network computes.
    """

    stride: int
    first: float
    stretch: Stretch | None
    around: Around

    def grid(self, cells: tuple[int, int], pixels: tuple[int, int]) -> tuple[PerAxis, PerAxis]:
        """Compute the scale and the offset of the grid: pixel ``y`` reads coarse row ``y * scale + offset``.

        Args:
            cells: height and width of the coarse map.
            pixels: height and width of what the network computed on, see :meth:`computed`.
        """
        if self.stretch == "corners":
            rows, columns = ((count - 1) / max(1, side - 1) for count, side in zip(cells, pixels, strict=True))
            return (rows, columns), 0.0
        if self.stretch == "half_pixel":
            rows, columns = (count / side for count, side in zip(cells, pixels, strict=True))
            return (rows, columns), (0.5 * rows - 0.5, 0.5 * columns - 0.5)
        return 1 / self.stride, -self.first / self.stride

    def computed(self, size: tuple[int, int], geometry: Geometry) -> tuple[int, int]:
        """Give the height and width that the network computes on for a picture of height and width ``size``."""
        if self.around == "nothing":
            return size
        fit = geometry.input_size if self.around == "margin" else geometry.padded_size
        return fit(size[0]), fit(size[1])
