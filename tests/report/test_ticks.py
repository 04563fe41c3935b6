"""Axes have few, round numbers that enclose what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.report.ticks import linear_ticks, log_ticks


@pytest.mark.parametrize("most", [4, 6])
@pytest.mark.parametrize("seed", range(5))
def test_ticks_enclose_the_range(seed: int, most: int) -> None:
    low, high = sorted(np.random.default_rng(seed).lognormal(0, 3, 2))
    ticks = linear_ticks(low, high, most)
    assert ticks[0] <= low * (1 + 1e-9)
    assert ticks[-1] >= high * (1 - 1e-9)
    assert 2 <= len(ticks) <= most + 2
    assert np.ptp(np.diff(ticks)) < 1e-9 * ticks[-1]
    around = log_ticks(low, high)
    assert around[0] <= low
    assert around[-1] >= high
    assert around == sorted(set(around))


def test_known_axes() -> None:
    assert linear_ticks(0, 51.5, 6) == pytest.approx([0, 20, 40, 60])
    assert log_ticks(3, 42) == pytest.approx([2, 5, 10, 20, 50])
    low, high = linear_ticks(0.5, 0.5, 5)[:: len(linear_ticks(0.5, 0.5, 5)) - 1]
    assert low < 0.5 < high
