"""Pictures for networks that resize their input, and the objects they find, mapped back to the pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.tiles import ReadWindow
from pixelwise.instances import BoxMask, Instances, Size

BAND_BYTES = 16 << 20
"""The bytes of a picture that are read at a time."""


@dataclass(frozen=True)
class _ResizeTaps:
    """The source pixels, and their weights, that each pixel along an axis is interpolated from."""

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    share: NDArray[np.float32]
    """The weight of the upper source pixel."""

    @classmethod
    def of(cls, length: int, wanted: int) -> _ResizeTaps:
        """Find what each of ``wanted`` pixels reads along an axis of ``length`` pixels, with half-pixel centres."""
        position = np.clip((np.arange(wanted) + 0.5) * (length / wanted) - 0.5, 0, length - 1)
        lower = np.floor(position).astype(np.int64)
        return cls(lower, np.minimum(lower + 1, length - 1), (position - lower).astype(np.float32))


def read_resized(read: ReadWindow, size: Size, seen: Size, channels: int) -> NDArray[np.float32]:
    """Read a picture at another size, bilinear with half-pixel centres, with only a band of it in memory.

    Args:
        read: gives windows of the picture.
        size: its height and width.
        seen: the height and width wanted.
        channels: the number of channels of the picture.

    Returns:
        float32 (C, *seen), on the scale of the picture, 0 .. 255; not rounded, because a network reads it.
    """
    rows, columns = (_ResizeTaps.of(length, wanted) for length, wanted in zip(size, seen, strict=True))
    result = np.empty((channels, *seen), np.float32)
    most = max(2, BAND_BYTES // (channels * size[1]))  # rows of the picture
    first = 0
    while first < seen[0]:
        top = int(rows.lower[first])
        band = slice(first, max(first + 1, int(np.searchsorted(rows.upper, top + most))))
        lower, upper, share = rows.lower[band] - top, rows.upper[band] - top, rows.share[band]
        part = read(slice(top, top + int(upper[-1]) + 1), slice(0, size[1]))  # (C, rows read, W)
        wide = _mix(part[:, :, columns.lower], part[:, :, columns.upper], columns.share)  # (C, rows read, w)
        result[:, band] = _mix(wide[:, lower], wide[:, upper], share[:, None])
        first = band.stop
    return result


def _mix(first: NDArray[Any], second: NDArray[Any], share: NDArray[np.float32]) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = first.astype(np.float32)
    mixed += share * (second.astype(np.float32) - mixed)
    return mixed


def on_picture(found: Instances, size: Size) -> Instances:
    """Lay objects of a resized picture on the picture itself, whose height and width are ``size``.

    A pixel of the new mask takes the value of the pixel under its middle. Objects without any remaining pixel are
    dropped.
    """
    seen = found.size
    if tuple(seen) == tuple(size):
        return found
    down, along = size[0] / seen[0], size[1] / seen[1]
    limits = np.array([size[1], size[0]] * 2, np.float32)
    boxes = np.minimum(found.boxes * np.array([along, down] * 2, np.float32), limits)
    if found.masks is None:
        return Instances(size, found.labels, boxes, None, found.scores)
    masks = [_on_picture(mask, size) for mask in found.masks]
    kept = np.flatnonzero([mask.pixels.any() for mask in masks])
    scores = None if found.scores is None else found.scores[kept]
    return Instances(size, found.labels[kept], boxes[kept], tuple(masks[number] for number in kept), scores)


def _on_picture(mask: BoxMask, size: Size) -> BoxMask:
    """Sample a mask at the middles of the pixels of the picture."""
    places = []
    for start, count, seen, length in zip((mask.top, mask.left), mask.pixels.shape, mask.size, size, strict=True):
        step = seen / length
        first = max(0, math.floor(start / step) - 1)
        pixels = np.arange(first, min(length, math.ceil((start + count) / step) + 1))
        source = np.floor((pixels + 0.5) * step).astype(np.int64) - start
        inside = (source >= 0) & (source < count)
        places.append((pixels[inside], source[inside]))
    (rows, row_sources), (columns, column_sources) = places
    if not len(rows) or not len(columns):
        return BoxMask(np.zeros((0, 0), np.bool_), 0, 0, size)
    pixels = mask.pixels[row_sources][:, column_sources]
    return BoxMask(pixels, int(rows[0]), int(columns[0]), size).trimmed()
