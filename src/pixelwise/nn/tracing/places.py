"""The positions of a tensor's values on the picture, and the data of one run of an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor

from pixelwise.geometry import Geometry


@dataclass(frozen=True)
class Places:
    """The positions of a tensor's values on the picture.

    Args:
        rows: geometry along the height.
        columns: geometry along the width.
        shape: size of the dimensions before the rows, of rows and of columns, of those after the columns. A view may
            have flattened some of them; they are found again by their products.
    """

    rows: Geometry
    columns: Geometry
    shape: tuple[int, int, int, int]

    @property
    def geometry(self) -> Geometry:
        """The geometry, which is the same along both axes."""
        return self.rows if self.rows == self.columns else self.rows.join(self.columns)

    def see_whole(self) -> Places:
        """The same positions, each of which sees the whole picture."""
        return Places(self.rows.see_whole(), self.columns.see_whole(), self.shape)

    def row_dimension(self, shape: Sequence[int]) -> int | None:
        """Which dimension of a tensor of this shape holds the rows, the next one holding the columns.

        None where a view has flattened them.
        """
        lead, rows, columns, _ = self.shape
        for dimension in range(len(shape) - 1):
            if prod(shape[:dimension]) == lead and shape[dimension] == rows and shape[dimension + 1] == columns:
                return dimension
        return None

    def moved(self, shape: Sequence[int], row_dimension: int) -> Places | str:
        """The same places in a tensor of another shape, whose dimension ``row_dimension`` holds the rows."""
        at = row_dimension
        if at < 0 or tuple(shape[at : at + 2]) != self.shape[1:3]:
            return EVERYWHERE
        return Places(self.rows, self.columns, (prod(shape[:at]), shape[at], shape[at + 1], prod(shape[at + 2 :])))


EVERYWHERE = "everywhere"
"""Marks a tensor without places (after global pooling), every value of which may see the whole picture."""

REGIONS = "regions"
"""Marks a tensor (P, ...) of regions of a picture, such as the boxes of objects: its cells lie on no grid of it."""

Where = Places | str


@dataclass(frozen=True)
class Operation:
    """The data of one run of an operator that the rules use.

    Args:
        args: its arguments by position.
        inputs: the tensors among its arguments that depend on the picture, each with its places.
        output: the tensor whose places are asked for.
        picture: height and width of the picture.
    """

    args: tuple[Any, ...]
    inputs: tuple[tuple[Tensor, Where], ...]
    output: Tensor
    picture: tuple[int, int]

    @property
    def input(self) -> Where:
        """Places of the first argument."""
        return self.where(0)

    def where(self, index: int) -> Where:
        """Places of an argument; everywhere for what does not depend on the picture."""
        return next((where for tensor, where in self.inputs if tensor is self.args[index]), EVERYWHERE)

    def argument(self, index: int, default: Any) -> Any:
        """An argument that may have been left out."""
        return self.args[index] if len(self.args) > index else default

    def along(self, change: Callable[[Geometry, int], Geometry]) -> Where:
        """Change the geometry of a map (..., H, W) along rows (axis 0) and columns (axis 1)."""
        places = self.input
        if not isinstance(places, Places) or places.shape[3] != 1:
            return EVERYWHERE
        shape = self.output.shape
        return Places(change(places.rows, 0), change(places.columns, 1), (prod(shape[:-2]), shape[-2], shape[-1], 1))
