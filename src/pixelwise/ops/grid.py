"""How the pixels of a picture lie on a coarse map: the grid that every operator of the tail reads by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pixelwise.errors import SettingError


@dataclass(frozen=True)
class Axis:
    """One axis of the grid: pixel ``i`` reads the coarse map at ``i * scale + offset``, clamped to its cells.

    Args:
        cells: length of the coarse map.
        pixels: length of the picture.
        scale: cells from one pixel to the next.
        offset: where pixel 0 lies, in cells.
    """

    cells: int
    pixels: int
    scale: float
    offset: float

    def taps(self, first: int, last: int) -> tuple[Tensor, Tensor, Tensor]:
        """Find what pixels ``first`` .. ``last - 1`` read.

        Returns:
            Three tensors (last - first,) on the CPU: the lower cell and the upper cell, both int64, and the share of
            the upper cell, float64 in 0 .. 1 (a float32 position is off by 1e-4 cells at cell 2,000).
        """
        position = torch.arange(first, last, dtype=torch.float64, device="cpu") * self.scale + self.offset
        position = position.clamp(0, self.cells - 1)
        lower = position.floor().long()
        upper = (lower + 1).clamp(max=self.cells - 1)
        return lower, upper, position - lower


def resolve_grid(
    cells: tuple[int, int], pixels: tuple[int, int], scale: float | None, offset: float | None
) -> tuple[Axis, Axis]:
    """Lay a picture on a coarse map.

    Args:
        cells: height and width of the coarse map.
        pixels: height and width of the picture.
        scale: cells from one pixel to the next, the same for rows and columns; None stretches the map over the
            picture as ``F.interpolate(mode="bilinear", align_corners=False)`` does.
        offset: where pixel 0 lies, in cells; given exactly when ``scale`` is.

    Returns:
        The axis of rows and the axis of columns.

    Raises:
        SettingError: only one of scale and offset is given, scale is not positive, or a size is not positive.
    """
    if (scale is None) != (offset is None):
        raise SettingError(f"scale is {scale} and offset {offset}; give both, or neither")
    if min(*cells, *pixels) < 1:
        raise SettingError(f"a map of {cells[0]}x{cells[1]} cells cannot be read at {pixels[0]}x{pixels[1]} pixels")
    if scale is not None and not scale > 0:
        raise SettingError(f"scale is {scale}; it must be positive")
    rows, columns = (
        Axis(count, length, count / length, 0.5 * count / length - 0.5)
        if scale is None or offset is None
        else Axis(count, length, scale, offset)
        for count, length in zip(cells, pixels, strict=True)
    )
    return rows, columns
