"""Sampling a part of a picture as a crop of fixed size: by resizing if it is upright, by warping if turned or bent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Size

ImageArray = NDArray[np.uint8]
Bend = NDArray[np.float32]
"""(h, w, 2): displacement from which each pixel of a crop is sampled, x then y, in pixels of the crop."""
NumberT = TypeVar("NumberT", bound=np.unsignedinteger[Any] | np.floating[Any])


@dataclass(frozen=True)
class CropView:
    """The part of a picture that a crop shows.

    Args:
        top: upper edge in picture pixels before turning; pixel ``i`` reaches from ``i`` to ``i + 1``.
        left: left edge in picture pixels before turning.
        height: extent in picture pixels.
        width: extent in picture pixels.
        turn: angle in radians by which the part is turned about its middle.
        hflip: whether the crop is mirrored left to right.
        vflip: whether the crop is mirrored top to bottom.
    """

    top: float
    left: float
    height: float
    width: float
    turn: float = 0.0
    hflip: bool = False
    vflip: bool = False

    def matrix(self, size: Size) -> NDArray[np.float64]:
        """Give the 2x3 matrix that sends (x, y, 1) of a pixel of a crop of ``size`` to x, y in the picture."""
        step_x, step_y = self.width / size[1], self.height / size[0]
        x_step_x, y_step_y = -step_x if self.hflip else step_x, -step_y if self.vflip else step_y
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        linear = np.array([[cos * x_step_x, -sin * y_step_y], [sin * x_step_x, cos * y_step_y]])
        middle = np.array([self.left + self.width / 2 - 0.5, self.top + self.height / 2 - 0.5])
        shift = middle - linear @ [(size[1] - 1) / 2, (size[0] - 1) / 2]
        return np.column_stack([linear, shift])  # (2, 3)

    def block(self, size: Size) -> int:
        """Side of the blocks of pixels to average, so that the rest is shrunk by less than 1.5 or so."""
        return max(1, round(min(self.height / size[0], self.width / size[1])))


def view_image(pixels: ImageArray, view: CropView, size: Size, bend: Bend | None = None) -> ImageArray:
    """Sample an image bilinearly, after averaging blocks of pixels where it shrinks; mirrored beyond its border.

    An upright and straight view is rounded to whole pixels, the same for image and mask; if it shows less of the
    picture than of what lies beyond, only the part it shows is mirrored.

    Args:
        pixels: (H, W, C).
        view: the part to show.
        size: height and width of the result.
        bend: displacement of each pixel of the result; none when None.

    Returns:
        (h, w, C).
    """
    block = view.block(size)
    if bend is not None:
        return _remap_image(pixels, _look_up(view, size, bend), block)
    if view.turn:
        return _warp_image(pixels, view.matrix(size), size, block)
    window = _three_axes(_cut(pixels, view, block, cv2.BORDER_REFLECT_101, 0))
    if block > 1:
        window = _average_blocks(window, block)
    return _three_axes(_flip(cv2.resize(window, size[::-1], interpolation=cv2.INTER_LINEAR), view))


def view_mask(
    mask: NDArray[NumberT], view: CropView, size: Size, ignore_index: int, bend: Bend | None = None
) -> NDArray[NumberT]:
    """Sample an (H, W) mask, or weights of pixels, at the nearest pixel; ``ignore_index`` beyond its border."""
    if bend is not None:
        return _remap_mask(mask, _look_up(view, size, bend), ignore_index)
    if view.turn:
        return _warp_mask(mask, view.matrix(size), size, ignore_index)
    window = _cut(mask, view, view.block(size), cv2.BORDER_CONSTANT, ignore_index)
    resized = cv2.resize(window, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(_flip(resized, view), mask.dtype)


def _cut(pixels: Any, view: CropView, block: int, border: int, value: int) -> Any:
    """Cut out an upright part, rounded to whole blocks of pixels, and continue it where it is beyond the border."""
    top, bottom = _whole_blocks(view.top, view.height, pixels.shape[0], block)
    left, right = _whole_blocks(view.left, view.width, pixels.shape[1], block)
    window = pixels[max(top, 0) : bottom, max(left, 0) : right]
    beyond = max(-top, 0), max(bottom - pixels.shape[0], 0), max(-left, 0), max(right - pixels.shape[1], 0)
    if any(beyond):
        window = cv2.copyMakeBorder(window, *beyond, border, value=value)
    return window


def _whole_blocks(start: float, extent: float, length: int, block: int) -> tuple[int, int]:
    """Round a stretch of a line of pixels to whole blocks, at least one."""
    count = max(1, round(extent / block)) * block
    first = round(start + (extent - count) / 2)
    if start >= 0 and start + extent <= length:  # a stretch within the line stays within it
        first = max(0, min(first, length - count))
    return first, first + count


def _flip(pixels: Any, view: CropView) -> Any:
    if not (view.hflip or view.vflip):
        return pixels
    return cv2.flip(pixels, -1 if view.hflip and view.vflip else 1 if view.hflip else 0)


def _average_blocks(window: ImageArray, block: int) -> ImageArray:
    """Average blocks of ``block`` x ``block`` pixels; the last row and column are repeated to fill a block."""
    height, width = window.shape[:2]
    below, right = -height % block, -width % block
    if below or right:
        window = _three_axes(cv2.copyMakeBorder(window, 0, below, 0, right, cv2.BORDER_REPLICATE))
    size = (width + right) // block, (height + below) // block
    return _three_axes(cv2.resize(window, size, interpolation=cv2.INTER_AREA))


def _warp_image(pixels: ImageArray, matrix: NDArray[np.float64], size: Size, block: int) -> ImageArray:
    # Only the window that the crop reads is worked on, so that the cost does not grow with the picture.
    rows, columns = _window(matrix, size, pixels.shape, margin=block)
    window = pixels[rows, columns]
    matrix = matrix - [[0, 0, columns.start], [0, 0, rows.start]]
    if block > 1:
        window = _average_blocks(window, block)
        matrix = matrix / block
        matrix[:, 2] += 0.5 / block - 0.5  # the centre of a block of pixels is not the centre of its first
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return _four_channels_at_a_time(
        window,
        lambda part: cv2.warpAffine(part, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101),
    )


def _four_channels_at_a_time(pixels: ImageArray, warp: Callable[[ImageArray], Any]) -> ImageArray:
    """Warp pixels (H, W, C) with functions of OpenCV, which take no more channels."""
    if pixels.shape[2] <= 4:
        return _three_axes(warp(pixels))
    firsts = range(0, pixels.shape[2], 4)
    return np.concatenate(
        [_three_axes(warp(np.ascontiguousarray(pixels[..., first : first + 4]))) for first in firsts], axis=2
    )


def _warp_mask(mask: NDArray[NumberT], matrix: NDArray[np.float64], size: Size, ignore_index: int) -> NDArray[NumberT]:
    rows, columns = _window(matrix, size, mask.shape, margin=1)
    warped: Any = cv2.warpAffine(
        mask[rows, columns],
        matrix - [[0, 0, columns.start], [0, 0, rows.start]],
        size[::-1],
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=ignore_index,
    )
    return np.asarray(warped, mask.dtype)


def _look_up(view: CropView, size: Size, bend: Bend) -> NDArray[np.float64]:
    """Find the position in the picture that each pixel of a crop is sampled from: (h, w, 2), x then y."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = columns + bend[..., 0], rows + bend[..., 1]
    (xx, xy, x0), (yx, yy, y0) = view.matrix(size).tolist()
    return np.stack([xx * x + xy * y + x0, yx * x + yy * y + y0], axis=2)


def _remap_image(pixels: ImageArray, places: NDArray[np.float64], block: int) -> ImageArray:
    rows, columns = _window_of(places.min((0, 1)), places.max((0, 1)), pixels.shape, margin=block)
    window = pixels[rows, columns]
    places = places - [columns.start, rows.start]
    if block > 1:
        window = _average_blocks(window, block)
        places = (places + 0.5) / block - 0.5
    x, y = np.moveaxis(places.astype(np.float32), 2, 0)
    return _four_channels_at_a_time(
        window, lambda part: cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    )


def _remap_mask(mask: NDArray[NumberT], places: NDArray[np.float64], ignore_index: int) -> NDArray[NumberT]:
    rows, columns = _window_of(places.min((0, 1)), places.max((0, 1)), mask.shape, margin=1)
    x, y = np.moveaxis((places - [columns.start, rows.start]).astype(np.float32), 2, 0)
    window = mask[rows, columns]
    warped: Any = cv2.remap(window, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=ignore_index)
    return np.asarray(warped, mask.dtype)


def _window(matrix: NDArray[np.float64], size: Size, shape: tuple[int, ...], *, margin: int) -> tuple[slice, slice]:
    """Find the rows and columns of the picture that a crop reads, and ``margin`` more on every side."""
    bottom, right = size[0] - 1, size[1] - 1
    corners = matrix @ np.array([[0, right, 0, right], [0, 0, bottom, bottom], [1, 1, 1, 1]])  # (2, 4)
    return _window_of(corners.min(1), corners.max(1), shape, margin=margin)


def _window_of(
    low: NDArray[np.floating[Any]], high: NDArray[np.floating[Any]], shape: tuple[int, ...], *, margin: int
) -> tuple[slice, slice]:
    """Find the rows and columns that hold all places from ``low`` (x, y) to ``high``, and ``margin`` more."""
    lows = np.floor(low).astype(int) - margin
    highs = np.ceil(high).astype(int) + margin + 1
    columns, rows = (
        _with_mirrored(low, high, length)
        for low, high, length in zip(lows.tolist(), highs.tolist(), (shape[1], shape[0]), strict=True)
    )
    return rows, columns


def _with_mirrored(low: int, high: int, length: int) -> slice:
    """Clip a stretch to a line, keeping what is mirrored to where the stretch leaves the line."""
    mirrored_low, mirrored_high = 2 * length - 1 - high, 1 - low
    return slice(max(0, min(low, mirrored_low, length - 1)), min(length, max(high, mirrored_high, 1)))


def _three_axes(pixels: Any) -> ImageArray:
    """Give back the axis of a single channel, which OpenCV leaves out."""
    return np.asarray(pixels if pixels.ndim == 3 else pixels[..., None], np.uint8)
