"""The position of a picture's pixels on a coarse map: the grid by which every operator of the tail reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError

if TYPE_CHECKING:
    from torch import Tensor

PerAxis = float | tuple[float, float]
"""A number for both axes, or one for the rows and one for the columns."""


@dataclass(frozen=True)
class Axis:
    """One axis of the grid: pixel ``i`` reads the coarse map at ``i * scale + offset``, clamped to its cells.

    Args:
        cells: length of the coarse map.
        pixels: length of the picture.
        scale: cells from one pixel to the next; 0 where all pixels read the same place.
        offset: position of pixel 0, in cells.
    """

    cells: int
    pixels: int
    scale: float
    offset: float

    def taps(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Find the cells that pixels ``first`` .. ``last - 1`` read.

        Returns:
            Three arrays (last - first,): the lower cell and the upper cell, both int64, and the share of
            the upper cell, float64 in 0 .. 1 (a float32 position is off by 1e-4 cells at cell 2,000).
        """
        position = np.clip(np.arange(first, last, dtype=np.float64) * self.scale + self.offset, 0, self.cells - 1)
        lower = np.floor(position).astype(np.int64)
        upper = np.minimum(lower + 1, self.cells - 1)
        return lower, upper, position - lower


class Grid(NamedTuple):
    """The position of a picture on a coarse map."""

    rows: Axis
    columns: Axis


def resolve_grid(
    cells: tuple[int, int],
    pixels: tuple[int, int],
    scale: PerAxis | Sequence[float] | None,
    offset: PerAxis | Sequence[float] | None,
) -> Grid:
    """Lay a picture on a coarse map.

    Args:
        cells: height and width of the coarse map.
        pixels: height and width of the picture.
        scale: cells from one pixel to the next, one number or (rows, columns), not negative; 0 is what aligned
            corners make of a single cell. None stretches the map over the picture as
            ``F.interpolate(mode="bilinear", align_corners=False)`` does.
        offset: where pixel 0 lies, in cells, one number or (rows, columns); given exactly when ``scale`` is.

    Raises:
        SettingError: only one of scale and offset is given, they are no such numbers, a scale is negative or not
            finite, or a size is not positive.
    """
    if min(*cells, *pixels) < 1:
        raise SettingError(f"a map of {cells[0]}x{cells[1]} cells cannot be read at {pixels[0]}x{pixels[1]} pixels")
    scales, offsets = per_axis("scale", scale), per_axis("offset", offset)
    if scales is None and offsets is None:
        rows, columns = (
            Axis(count, length, count / length, 0.5 * count / length - 0.5)
            for count, length in zip(cells, pixels, strict=True)
        )
        return Grid(rows, columns)
    if scales is None or offsets is None:
        raise SettingError(f"scale is {scale} and offset {offset}; give both, or neither")
    if not all(0 <= step < math.inf for step in scales):
        raise SettingError(f"scale is {scale}; it must be finite, and positive or 0")
    if not all(abs(start) < math.inf for start in offsets):
        raise SettingError(f"offset is {offset}; it must be finite")
    rows, columns = (Axis(*axis) for axis in zip(cells, pixels, scales, offsets, strict=True))
    return Grid(rows, columns)


def grid_of_target(
    logits: Tensor,
    target: Tensor,
    scale: PerAxis | Sequence[float] | None,
    offset: PerAxis | Sequence[float] | None,
) -> Grid:
    """Lay a target (N, H, W) on coarse logits (N, K, h, w); see :func:`resolve_grid`."""
    return resolve_grid((logits.shape[2], logits.shape[3]), (target.shape[1], target.shape[2]), scale, offset)


def per_axis(name: str, value: PerAxis | Sequence[float] | None) -> tuple[float, float] | None:
    """Turn a number for both axes into one for the rows and one for the columns; None stays None.

    Raises:
        SettingError: a sequence does not hold two numbers; the message calls it ``name``.
    """
    if value is None:
        return None
    if not isinstance(value, Sequence):
        return value, value
    if len(value) != 2:
        raise SettingError(f"{name} is {value}; give one number, or one for the rows and one for the columns")
    return value[0], value[1]
