from __future__ import annotations

from typing import Literal

import pytest
import torch

from pixelwise.errors import SettingError
from pixelwise.nn.pooling import downsample, pool, pooled_size

FORMS = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)]


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), FORMS)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_every_window_is_reduced(
    kind: Literal["max", "average"], kernel: int, stride: int, padding: int, ceil: bool
) -> None:
    torch.manual_seed(0)
    high = 31  # rows are all equal, and the middle one far from the zeros above and below
    for size in (5, 6, 7, 8, 9):
        row = torch.randn(size, dtype=torch.float64)
        pooled = pool(kind, kernel, stride=stride, padding=padding, ceil=ceil)(
            row.view(1, 1, 1, -1).expand(1, 1, high, -1)
        )
        cells = [pooled_size(side, kernel, stride=stride, padding=padding, ceil=ceil) for side in (high, size)]
        assert list(pooled.shape[2:]) == cells
        for cell in range(pooled.shape[3]):
            begin = cell * stride - padding
            end = min(begin + kernel, size + padding)  # what lies beyond the padding counts in neither
            window = [float(row[i]) if 0 <= i < size else None for i in range(begin, end)]
            inside = [value for value in window if value is not None]
            expected = max(inside) if kind == "max" else sum(inside) / len(window)
            middle = pooled[0, 0, pooled.shape[2] // 2, cell]
            assert float(middle) == pytest.approx(expected)


def test_caffe_keeps_the_last_window() -> None:
    assert [pooled_size(175, ceil=ceil) for ceil in (False, True)] == [87, 88]
    assert pooled_size(321, 3, stride=2, padding=1) == 161
    assert pooled_size(41, 3, stride=1, padding=1) == 41


@pytest.mark.parametrize(("kind", "parameters"), [("max", 0), ("average", 0), ("strided", 9 * 8 * 8 + 16)])
def test_three_ways_to_halve(kind: Literal["max", "average", "strided"], parameters: int) -> None:
    block = downsample(kind, 8)
    assert sum(p.numel() for p in block.parameters()) == parameters
    for size in (8, 9):
        assert block(torch.randn(2, 8, size, size)).shape == (2, 8, -(-size // 2), -(-size // 2))


def test_wrong_kinds_are_named() -> None:
    with pytest.raises(SettingError, match="median"):
        pool("median")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="strided"):
        downsample("median", 3)  # type: ignore[arg-type]
