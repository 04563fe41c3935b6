"""Turning the boxes and masks that a network gives into objects of a picture, on plain arrays and without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.instances import BoxMask, Instances
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.native import native_for, require_native, threads
from pixelwise.ops.tail.arrays import upsample_window

Size = tuple[int, int]


def place_objects(
    boxes: NDArray[np.float32],
    labels: NDArray[np.integer[Any]],
    scores: NDArray[np.float32],
    masks: NDArray[np.float32] | None,
    size: Size,
    *,
    threshold: float = 0.5,
) -> Instances:
    """Make objects with masks no larger than their boxes.

    Args:
        boxes: left, top, right and bottom of each in pixels (N, 4).
        labels: their classes (N,).
        scores: their scores (N,).
        masks: probabilities (N, M, M), or None where only boxes are found.
        size: height and width of the picture; boxes are cut to it.
        threshold: a pixel belongs to the object where its probability is greater.

    Returns:
        The objects in the same order. An object is dropped if its box lies outside the picture or if no pixel of its
        mask passes the threshold.

    Raises:
        SettingError: a box is not finite.
    """
    cut = np.clip(boxes, 0, np.array([size[1], size[0]] * 2, np.float32))
    kept = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    pasted = None
    if masks is not None:
        # Masks are pasted into the uncut box: into a box that is cut first, they would be squeezed.
        pasted = [mask.trimmed() for mask in paste(masks, boxes, size, threshold=threshold)]
        kept &= np.array([mask.pixels.size > 0 for mask in pasted], np.bool_)
    chosen = np.flatnonzero(kept)
    placed = None if pasted is None else tuple(pasted[number] for number in chosen)
    return Instances(size, labels[chosen].astype(np.int64), cut[chosen], placed, scores[chosen])


def paste(
    masks: NDArray[np.float32], boxes: NDArray[np.float32], size: Size, *, threshold: float = 0.5
) -> list[BoxMask]:
    """Stretch mask probabilities (N, M, M) over their boxes (N, 4); see :func:`pixelwise.ops.masks.paste_masks`.

    Raises:
        SettingError: shapes do not fit, or a box is not finite.
    """
    if masks.ndim != 3 or masks.shape[1] != masks.shape[2] or boxes.shape != (len(masks), 4) or masks.shape[1] < 1:
        raise SettingError(f"masks must be (N, M, M) and boxes (N, 4), got {masks.shape}, {boxes.shape}")
    if not np.isfinite(boxes).all():
        raise SettingError("boxes must be finite numbers; one holds NaN or infinity")
    windows = [_Window.of(box, size) for box in _expanded(boxes, masks.shape[1])]
    padded = np.ascontiguousarray(np.pad(masks, ((0, 0), (1, 1), (1, 1))), np.float32)  # (N, M + 2, M + 2)
    paste_all = _paste if native_for() is None else _paste_native
    crops = paste_all(padded, windows, threshold)
    return [BoxMask(crop, window.y, window.x, size) for crop, window in zip(crops, windows, strict=True)]


@dataclass(frozen=True)
class _Window:
    """The part of a box that lies on the picture, by its start in the box and on the picture."""

    box_height: int
    box_width: int
    top: int
    left: int
    height: int
    width: int
    y: int
    x: int

    @classmethod
    def of(cls, box: tuple[int, int, int, int], size: tuple[int, int]) -> _Window:
        left, top, right, bottom = box  # the last row and the last column belong to the box
        y, x = max(top, 0), max(left, 0)
        height, width = min(bottom + 1, size[0]) - y, min(right + 1, size[1]) - x
        if height <= 0 or width <= 0:
            return cls(1, 1, 0, 0, 0, 0, 0, 0)
        return cls(bottom - top + 1, right - left + 1, y - top, x - left, height, width, y, x)


def _expanded(boxes: NDArray[np.float32], cells: int) -> list[tuple[int, int, int, int]]:
    """Grow boxes by one cell of their mask on each side and cut them to whole pixels, as torchvision does."""
    middle = (boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5)
    reach = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5) * np.float32((cells + 2) / cells)
    edges: list[tuple[int, int, int, int]] = (
        np.concatenate([middle - reach, middle + reach], 1).astype(np.int64).tolist()
    )
    return edges


def _paste(masks: NDArray[np.float32], windows: list[_Window], threshold: float) -> list[NDArray[np.bool_]]:
    crops = []
    for mask, window in zip(masks, windows, strict=True):
        if window.height == 0:
            crops.append(np.zeros((0, 0), np.bool_))
            continue
        rows, columns = resolve_grid(
            (mask.shape[0], mask.shape[1]), (window.box_height, window.box_width), scale=None, offset=None
        )
        down = slice(window.top, window.top + window.height)
        along = slice(window.left, window.left + window.width)
        crops.append(upsample_window(mask[None, None], rows, columns, down, along)[0, 0] > threshold)
    return crops


def _paste_native(masks: NDArray[np.float32], windows: list[_Window], threshold: float) -> list[NDArray[np.bool_]]:
    areas = [window.height * window.width for window in windows]
    pixels = np.empty(sum(areas), np.uint8)
    places = [(w.box_height, w.box_width, w.top, w.left, w.height, w.width) for w in windows]
    require_native().paste_masks(masks, np.array(places, np.int64).reshape(-1, 6), threshold, pixels, threads())
    pieces = np.split(pixels.view(np.bool_), np.cumsum(areas)[:-1])
    # Column by column in memory, which is the order in which run-length encoding reads.
    return [piece.reshape(window.width, window.height).T for piece, window in zip(pieces, windows, strict=False)]
