"""The fused tail on float32 arrays in main memory, without torch, as an installation computes that only predicts.

Grids are those of :mod:`pixelwise.ops.grid`. The upsampled logits exist for one band of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.ops.counting import as_counted, bad_label, count_pairs
from pixelwise.ops.grid import Axis, Grid
from pixelwise.ops.native import native_module, threads

BAND_ELEMENTS = 1 << 20
"""The number of upsampled logits at a time: 4 MiB stay in a processor's cache."""


def argmax(logits: NDArray[np.float32], grid: Grid) -> NDArray[np.integer[Any]]:
    """Find the class of the greatest upsampled logit at each pixel.

    Args:
        logits: coarse scores (N, K, h, w).
        grid: how the picture lies on them.

    Returns:
        Labels (N, H, W), uint8 while K <= 255, else int64. Among equal scores the lower class is taken.
    """
    dtype = np.uint8 if logits.shape[1] <= 255 else np.int64
    labels = np.empty((logits.shape[0], grid.rows.pixels, grid.columns.pixels), dtype)
    native = native_module()
    if native is not None:
        native.upsample_argmax(np.ascontiguousarray(logits), labels, _numbers(grid), threads())
        return labels
    for band in bands(logits, *grid):
        labels[:, band] = upsample_band(logits, *grid, band).argmax(1)
    return labels


def confusion(
    logits: NDArray[np.float32], target: NDArray[np.integer[Any]], grid: Grid, ignore_index: int
) -> NDArray[np.int64]:
    """Count the pixels of each pair of target class (N, H, W) and predicted class: (K, K), ``[target, prediction]``.

    Raises:
        DataError: the target holds a value that is neither a class nor ``ignore_index``.
    """
    classes = logits.shape[1]
    native = native_module()
    if native is None:
        return count_pairs(target, argmax(logits, grid), classes, ignore_index)
    counts = np.zeros((classes, classes), np.int64)
    target = as_counted(target)
    if not native.upsample_confusion(
        np.ascontiguousarray(logits), target, counts, _numbers(grid), ignore_index, threads()
    ):
        raise bad_label("target", target, classes, ignore_index)
    return counts


def bands(logits: NDArray[np.float32], rows: Axis, columns: Axis) -> Iterator[slice]:
    """Cut the rows of a picture into bands whose upsampled logits have a bounded size."""
    height = max(1, BAND_ELEMENTS // max(1, logits.shape[0] * logits.shape[1] * columns.pixels))
    for top in range(0, rows.pixels, height):
        yield slice(top, min(top + height, rows.pixels))


def upsample_band(logits: NDArray[np.float32], rows: Axis, columns: Axis, band: slice) -> NDArray[np.float32]:
    """Interpolate some pixel rows of logits (N, K, h, w), bilinear: (N, K, rows of the band, W)."""
    return upsample_window(logits, rows, columns, band, slice(0, columns.pixels))


def upsample_window(
    logits: NDArray[np.float32], rows: Axis, columns: Axis, down: slice, along: slice
) -> NDArray[np.float32]:
    """Interpolate a window of logits (N, K, h, w), bilinear: (N, K, rows of the window, its columns)."""
    above, below, weights = _taps(rows, down)
    tall = _mix(logits[:, :, above], logits[:, :, below], weights[:, None])  # (N, K, rows, w)
    left, right, weights = _taps(columns, along)
    return _mix(tall[..., left], tall[..., right], weights)


def _mix(lower: NDArray[np.float32], upper: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = lower + (upper - lower) * share
    return mixed


def _taps(axis: Axis, pixels: slice) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    lower, upper, share = axis.taps(pixels.start, pixels.stop)
    return lower, upper, share.astype(np.float32)


def _numbers(grid: Grid) -> tuple[float, float, float, float]:
    return grid.rows.scale, grid.rows.offset, grid.columns.scale, grid.columns.offset
