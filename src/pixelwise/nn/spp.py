"""Spatial pyramid pooling (He, Zhang, Ren and Sun 2014): a vector of fixed length from a map of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.errors import SettingError


class SpatialPyramidPooling(nn.Module):
    """Pool a map into n x n bins for each level and join them: (N, C, H, W) -> (N, C * sum of n*n), any H and W.

    Bin ``i`` of n along an axis of a cells covers the cells from floor(i*a/n) to ceil((i+1)*a/n) - 1: bins cover the
    map whatever its size, overlap by a cell where n does not divide a, and repeat cells where the map has fewer than n.
    The levels 4, 2, 1 give 21 values per channel; 6, 3, 2, 1 give 50. Order of the values: level, then channel, then
    bin, row by row.

    Geometry: every output sees its share of the whole picture, so there is no stride and no tiling.
    No parameters, no multiply-adds.

    Args:
        levels: bins along each axis, one number per level.
        kind: the largest value or the mean of a bin.

    Raises:
        SettingError: no level, a level below 1, or an unknown kind.
    """

    def __init__(self, levels: Sequence[int] = (4, 2, 1), *, kind: Literal["max", "average"] = "max") -> None:
        super().__init__()
        if not levels or min(levels) < 1:
            raise SettingError(f"levels are numbers of bins, at least 1 each, got {tuple(levels)}")
        if kind not in ("max", "average"):
            raise SettingError(f"there is no pooling '{kind}'; choose max or average")
        self.levels, self.kind = tuple(levels), kind
        self.bins = sum(level * level for level in levels)

    def forward(self, features: Tensor) -> Tensor:
        """Pool a map (N, C, H, W) to (N, C * bins)."""
        reduce = F.adaptive_max_pool2d if self.kind == "max" else F.adaptive_avg_pool2d
        return torch.cat([reduce(features, level).flatten(1) for level in self.levels], 1)
