"""Anchors: boxes of set sizes and shapes on every cell of every feature map, from which proposals are predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from pixelwise.errors import SettingError
from pixelwise.words import counted

AnchorSizes = tuple[tuple[float, ...], ...]


class AnchorGrid:
    """Places anchors on feature maps; has no parameters.

    Args:
        sizes: for each map, the square roots of the anchors' areas in pixels.
        ratios: height over width of the anchors, on every map.
        strides: pixels from one cell of each map to the next.
        rule: ``"exact"`` steps by these strides; ``"torchvision"`` steps by the sides of the picture over those of the
            map, without remainder, as networks that were trained there expect: 61 instead of 64 pixels on the coarsest
            of five maps of 800 pixels.

    Raises:
        SettingError: sizes are not one tuple per map, or a size or ratio is not above 0.
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[float]],
        ratios: Sequence[float],
        strides: Sequence[int],
        *,
        rule: Literal["exact", "torchvision"] = "exact",
    ) -> None:
        from torchvision.models.detection.anchor_utils import AnchorGenerator

        if len(sizes) != len(strides):
            raise SettingError(
                f"anchor_sizes has sizes for {counted(len(sizes), 'map')}, but the network has {len(strides)}, of "
                f"strides {', '.join(map(str, strides))}; give one tuple of sizes a map"
            )
        if not ratios or any(not level or min(level) <= 0 for level in sizes) or min(ratios) <= 0:
            raise SettingError("anchor_sizes and anchor_ratios must hold numbers above 0, at least one a map")
        if len({len(level) for level in sizes}) > 1:
            raise SettingError("anchor_sizes must hold as many sizes for each map: one head scores them all")
        self.strides = tuple(strides)
        self.rule = rule
        self.generator = AnchorGenerator(
            tuple(tuple(map(float, level)) for level in sizes), (tuple(map(float, ratios)),) * len(sizes)
        )
        self.base = [anchors.to(torch.float32) for anchors in self.generator.cell_anchors]
        self._kept: tuple[object, tuple[Tensor, ...]] | None = None

    @property
    def each(self) -> tuple[int, ...]:
        """The number of anchors per cell of each map."""
        return tuple(self.generator.num_anchors_per_location())

    def __call__(self, cells: Sequence[tuple[int, int]], picture: tuple[int, int], like: Tensor) -> tuple[Tensor, ...]:
        """Give the anchors of each map.

        Args:
            cells: height and width of each map.
            picture: height and width that they were computed from, in pixels.
            like: a tensor of the type and the device that the anchors are to have.

        Returns:
            One (h * w * A, 4) per map: left, top, right and bottom in pixels, cell by cell, row by row.
        """
        key = (tuple(cells), picture, like.dtype, like.device)
        if self._kept is None or self._kept[0] != key:
            steps = [
                (picture[0] // rows, picture[1] // columns) if self.rule == "torchvision" else (stride, stride)
                for (rows, columns), stride in zip(cells, self.strides, strict=True)
            ]
            self.generator.cell_anchors = [anchors.to(like) for anchors in self.base]
            grid = self.generator.grid_anchors([list(size) for size in cells], [list(step) for step in steps])
            self._kept = key, tuple(grid)
        return self._kept[1]
