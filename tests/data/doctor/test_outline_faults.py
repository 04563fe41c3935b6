"""Outlines that cross themselves or reach beyond the picture."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.data.doctor.outline_faults import CROSSED_CORNERS, crosses

SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4)]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (SQUARE, False),
        ([(0, 0), (4, 4), (4, 0), (0, 4)], True),  # a bow tie
        ([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], False),  # a corner that touches a side
        ([(0, 0), (4, 0), (4, 4), (2, -1), (0, 4)], True),  # the corner goes through it
        ([(0, 0), (4, 0), (0, 4)], False),
        ([(0, 0), (4, 0), (4, 0), (4, 4), (0, 4)], False),  # a corner that is there twice
    ],
)
def test_sides_that_cross_are_found(points: list[tuple[int, int]], expected: bool) -> None:
    array = np.array(points, np.float64)
    for turn in range(len(points)):
        for way in (1, -1):
            assert crosses(np.roll(array, turn, axis=0)[::way]) is expected


def test_long_outlines_are_not_looked_at() -> None:
    angles = np.linspace(0, 4 * np.pi, CROSSED_CORNERS + 1, endpoint=False)  # twice around
    wound = np.stack([np.cos(angles) * (1 + angles), np.sin(angles) * (10 - angles)], 1)
    assert not crosses(wound)
    assert crosses(wound[::4])
