"""Objects where a picture holds no data: what is found there is left out, what is annotated there is ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Instances

Valid = Callable[[slice, slice], NDArray[np.bool_] | None]
"""Says where a window of rows and columns holds data, (h, w); None where all of it does."""

_CHECKED_BAND_PIXELS = 2**22


def valid_in(valid: NDArray[np.bool_]) -> Valid:
    """Give windows of a mask (H, W) that lies in memory."""
    return lambda rows, columns: valid[rows, columns]


def on_data(objects: Instances, valid: Valid) -> NDArray[np.bool_]:
    """Say of each object whether some pixel of its mask, or of its box where it has none, holds data: (N,)."""
    return np.array([_has_data(objects, number, valid) for number in range(len(objects))], np.bool_)


def ignoring_objects(objects: Instances, valid: NDArray[np.bool_] | None) -> Instances:
    """Give annotated objects of which those that lie wholly on pixels without data count as groups.

    Groups teach nothing, and finding them or not counts for nothing.

    Args:
        objects: the annotated ones.
        valid: (H, W) where the picture holds data; None where all of it does.
    """
    if valid is None or not len(objects):
        return objects
    return replace(objects, crowd=objects.is_crowd | ~on_data(objects, valid_in(valid)))


def _has_data(objects: Instances, number: int, valid: Valid) -> bool:
    for rows, columns, pixels in _bands(objects, number):
        here = valid(rows, columns)
        has_data = np.ones((1, 1), np.bool_) if here is None else here
        if (has_data if pixels is None else has_data & pixels).any():
            return True
    return False


def _bands(objects: Instances, number: int) -> Iterator[tuple[slice, slice, NDArray[np.bool_] | None]]:
    """Give rows, columns and pixels of an object from the top downwards, in bands of bounded size."""
    height, width = objects.size
    if objects.masks is not None:
        (rows, columns), pixels = objects.masks[number].window, objects.masks[number].pixels
    else:
        left, top, right, bottom = objects.boxes[number].tolist()
        rows = slice(max(0, int(top)), min(height, max(int(np.ceil(bottom)), int(top) + 1)))
        columns, pixels = slice(max(0, int(left)), min(width, max(int(np.ceil(right)), int(left) + 1))), None
    if columns.start >= columns.stop:
        return
    tall = max(1, _CHECKED_BAND_PIXELS // (columns.stop - columns.start))
    for first in range(rows.start, rows.stop, tall):
        band = slice(first, min(first + tall, rows.stop))
        yield band, columns, None if pixels is None else pixels[band.start - rows.start : band.stop - rows.start]
