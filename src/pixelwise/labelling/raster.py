"""Painting strokes into maps of labels, pixel by pixel as the page does (``static/label/raster.js``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A part of a picture: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, the ends not among them."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The part of an array (H, W)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def joined(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )


def stroke_box(points: Sequence[float], width: float, size: tuple[int, int]) -> Box | None:
    """Find the box of the pixels that a stroke may touch, within a picture of ``size`` (H, W); None outside of it."""
    reach = width / 2 + 1
    return _clipped(
        min(points[1::2]) - reach, min(points[::2]) - reach, max(points[1::2]) + reach, max(points[::2]) + reach, size
    )


def _clipped(top: float, left: float, bottom: float, right: float, size: tuple[int, int]) -> Box | None:
    box = Box(
        max(0, math.floor(top)),
        max(0, math.floor(left)),
        min(size[0], math.ceil(bottom)),
        min(size[1], math.ceil(right)),
    )
    return box if box.top < box.bottom and box.left < box.right else None


def paint_stroke(labels: NDArray[Any], points: Sequence[float], width: float, value: int) -> None:
    """Paint a stroke into labels (H, W).

    A pixel is painted if its middle lies at most half the width from the line through the points, and if a point lies
    in it, so that the thinnest stroke leaves a trace.

    Args:
        labels: what is painted on.
        points: x and y of each point in turn.
        width: in pixels.
        value: what the pixels become.
    """
    places = list(zip(points[::2], points[1::2], strict=True))
    height, wide = labels.shape
    for x, y in places:
        column, row = math.floor(x), math.floor(y)
        if 0 <= column < wide and 0 <= row < height:
            labels[row, column] = value
    for start, end in zip(places, places[1:] or places[:1], strict=False):
        _paint_segment(labels, start, end, width / 2, value)


def points_box(points: Sequence[float], size: tuple[int, int]) -> Box | None:
    """Find the box of the pixels that a polygon may hold; None outside of a picture of ``size`` (H, W)."""
    return _clipped(min(points[1::2]), min(points[::2]), max(points[1::2]), max(points[::2]), size)


def paint_polygon(labels: NDArray[Any], points: Sequence[float], value: int) -> None:
    """Paint the pixels whose middle lies inside a ring, by the even-odd rule.

    Args:
        labels: (H, W), what is painted on.
        points: x and y of each corner in turn.
        value: what the pixels become.
    """
    box = points_box(points, labels.shape)
    if box is None:
        return
    x1, y1 = np.array(points[::2]), np.array(points[1::2])
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    for row in range(box.top, box.bottom):
        y = row + 0.5
        crossing = (y1 <= y) != (y2 <= y)
        along = (y - y1[crossing]) / (y2 - y1)[crossing]
        places = np.sort(x1[crossing] + along * (x2 - x1)[crossing])
        columns = np.clip(np.ceil(places - 0.5).astype(int), 0, labels.shape[1])  # the first middles behind them
        for begin, end in zip(columns[::2], columns[1::2], strict=True):
            labels[row, begin:end] = value


def connected_region(values: NDArray[Any], x: int, y: int) -> tuple[Box, NDArray[np.bool_]]:
    """Find the pixels of the same value that a pixel is connected with by sides.

    Args:
        values: (H, W).
        x: the column of the pixel.
        y: its row.

    Returns:
        The box that holds them, and which pixels of the box they are.
    """
    same = (values == values[y, x]).astype(np.uint8)
    marked = np.zeros((values.shape[0] + 2, values.shape[1] + 2), np.uint8)
    _, _, _, (left, top, width, height) = cv2.floodFill(same, marked, (x, y), 1, flags=4 | cv2.FLOODFILL_MASK_ONLY)
    box = Box(top, left, top + height, left + width)
    return box, marked[1:-1, 1:-1][box.slices] != 0


def _paint_segment(
    labels: NDArray[Any], start: tuple[float, float], end: tuple[float, float], radius: float, value: int
) -> None:
    (x1, y1), (x2, y2) = start, end
    reach = radius + 1
    box = _clipped(min(y1, y2) - reach, min(x1, x2) - reach, max(y1, y2) + reach, max(x1, x2) + reach, labels.shape)
    if box is None:
        return
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy
    x = np.arange(box.left, box.right) + 0.5
    y = (np.arange(box.top, box.bottom) + 0.5)[:, None]
    along = np.clip(((x - x1) * dx + (y - y1) * dy) / length, 0.0, 1.0) if length > 0 else np.zeros((len(y), len(x)))
    away_x, away_y = x - (x1 + along * dx), y - (y1 + along * dy)
    labels[box.slices][away_x * away_x + away_y * away_y <= radius * radius] = value
