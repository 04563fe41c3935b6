"""A small picture of a large raster and its labels, read by windows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.drawing.overlay import paint
from pixelwise.inference.pictures import as_rgb
from pixelwise.io.pictures.depth import Learnt
from pixelwise.io.rasters.opening import RasterSource, read_uint8
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

PREVIEW_SIDE = 4096
"""The longer side of a preview in pixels, at most."""

_WINDOW_SIDE = 2048


def paint_preview(
    source: RasterSource,
    labels: RasterSource,
    label_space: LabelSpace,
    preprocessing: Preprocessing,
    *,
    longest: int = PREVIEW_SIDE,
) -> NDArray[np.uint8]:
    """Paint the labels of a raster over it, reduced by a whole factor.

    Colours are averaged over the pixels that become one pixel, and labels are those of the pixel in their middle.
    Windows of about 2,048 pixels are read, so that memory grows with the preview and not with the raster.

    Args:
        source: the raster.
        labels: its labels, one channel of the same size, opened as indices.
        label_space: names and colours of the labels.
        preprocessing: gives the channels and the range of values of the raster.
        longest: the longer side of the result in pixels, at most.

    Returns:
        uint8 (h, w, 3), RGB.
    """
    value_range = Learnt.of(preprocessing).range_for(source.dtype, name=source.name)
    height, width = source.size
    factor = max(1, -(-max(height, width) // longest))
    small = (-(-height // factor), -(-width // factor))
    image = np.empty((*small, 3), np.uint8)
    chosen = np.empty(small, label_space.dtype)
    step = max(1, _WINDOW_SIDE // factor)  # side of a window in pixels of the preview
    for top in range(0, small[0], step):
        for left in range(0, small[1], step):
            rows = slice(top * factor, min((top + step) * factor, height))
            columns = slice(left * factor, min((left + step) * factor, width))
            place = np.s_[top : min(top + step, small[0]), left : min(left + step, small[1])]
            pixels = read_uint8(source, rows, columns, channels=preprocessing.channels, value_range=value_range)
            image[place] = _shrink(as_rgb(pixels), factor)
            down, along = (_middles(window, factor) for window in (rows, columns))
            chosen[place] = labels.read(rows, columns)[0][down][:, along]
    return paint(image, chosen, label_space)


def _shrink(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average squares of (h, w, 3); squares that are cut at the bottom or the right are continued by their edge."""
    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    below, right = -height % factor, -width % factor
    whole = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
    size = (whole.shape[1] // factor, whole.shape[0] // factor)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)


def _middles(window: slice, factor: int) -> NDArray[np.int64]:
    """Give the indices, from the start of a window, of the pixels whose labels are kept."""
    length = window.stop - window.start
    middles: NDArray[np.int64] = np.minimum(np.arange(0, length, factor) + factor // 2, length - 1)
    return middles
