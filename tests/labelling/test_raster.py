"""Strokes against a slow loop over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelwise.labelling.raster import paint_stroke, stroke_box


def painted_slowly(size: tuple[int, int], points: list[float], width: float) -> NDArray[np.uint8]:
    labels = np.zeros(size, np.uint8)
    places = list(zip(points[::2], points[1::2], strict=True))
    for row in range(size[0]):
        for column in range(size[1]):
            x, y = column + 0.5, row + 0.5
            holds = any(math.floor(px) == column and math.floor(py) == row for px, py in places)
            near = any(
                away(x, y, *one, *two) <= width / 2 for one, two in zip(places, places[1:] or places, strict=False)
            )
            labels[row, column] = holds or near
    return labels


def away(x: float, y: float, x1: float, y1: float, x2: float, y2: float) -> float:
    length = math.hypot(x2 - x1, y2 - y1)
    along = 0.0 if length == 0 else min(1.0, max(0.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length**2))
    return math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1))


@pytest.mark.parametrize("seed", range(12))
def test_strokes_are_those_of_a_slow_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (23, 31)
    points = (rng.uniform(-8, 40, 2 * (1 + seed % 5)) * 8).round() / 8
    width = float(rng.choice([0.5, 1, 2.3, 7, 15]))
    labels = np.zeros(size, np.uint8)
    paint_stroke(labels, points.tolist(), width, 1)
    assert np.array_equal(labels, painted_slowly(size, points.tolist(), width))


def test_the_box_of_a_stroke_holds_all_its_pixels() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        points = rng.uniform(-10, 40, 6).tolist()
        labels = np.zeros((30, 30), np.uint8)
        paint_stroke(labels, points, 5.0, 1)
        box = stroke_box(points, 5.0, (30, 30))
        if box is not None:
            labels[box.slices] = 0
        assert not labels.any()


def test_the_thinnest_stroke_leaves_a_trace_without_gaps() -> None:
    labels = np.zeros((40, 40), np.uint8)
    paint_stroke(labels, [3.0, 3.0], 0.5, 1)
    assert labels.sum() == 1
    paint_stroke(labels, [2.0, 5.0, 37.0, 22.0], 1.0, 1)
    assert labels[:, 2:37].any(axis=0).all()
