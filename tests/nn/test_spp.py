from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch.nn import functional as F

from pixelwise.errors import SettingError
from pixelwise.nn.spp import SpatialPyramidPooling


@pytest.mark.parametrize("size", [(13, 13), (1, 1), (2, 5), (40, 7)])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_any_size_gives_one_length(kind: Literal["max", "average"], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 3, *size)
    pooled = SpatialPyramidPooling((4, 2, 1), kind=kind)(features)
    assert pooled.shape == (2, 3 * 21)
    at = 0
    for level in (4, 2, 1):
        for channel in range(3):
            for i in range(level):
                for j in range(level):
                    (top, down), (left, right) = (
                        (index * side // level, -(-(index + 1) * side // level))
                        for index, side in zip((i, j), size, strict=True)
                    )
                    window = features[:, channel, top:down, left:right]
                    expected = window.amax((1, 2)) if kind == "max" else window.mean((1, 2))
                    torch.testing.assert_close(pooled[:, at], expected)
                    at += 1
    assert at == pooled.shape[1]


def test_bins_are_ordinary_pooling_where_they_divide_the_map() -> None:
    features = torch.randn(1, 2, 12, 12)
    pooled = SpatialPyramidPooling((4, 3))(features)
    windows = [F.max_pool2d(features, 12 // n).flatten(1) for n in (4, 3)]
    torch.testing.assert_close(pooled, torch.cat(windows, 1))


def test_numbers_of_bins() -> None:
    assert SpatialPyramidPooling((6, 3, 2, 1)).bins == 50
    with pytest.raises(SettingError, match="at least 1"):
        SpatialPyramidPooling((4, 0))
