"""Drawing a picture beside its mask, its labels, and the pixels where the two differ."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.drawing.overlay import paint
from pixelwise.scoring.example import EXAMPLE_SIDE, WRONG_COLOR, Example, pale, reduced_size
from pixelwise.types import Color, LabelSpace

IGNORED_COLOR: Color = (96, 125, 158)
PIXEL_LEGEND = (("wrong", WRONG_COLOR), ("ignored", IGNORED_COLOR))


def draw_pixels(
    id: str,
    image: NDArray[np.uint8],
    mask: NDArray[np.integer[Any]],
    labels: NDArray[np.integer[Any]],
    label_space: LabelSpace,
    *,
    caption: str = "",
    group: str = "",
    longest: int = EXAMPLE_SIDE,
) -> Example:
    """Draw a picture with its mask and its labels.

    Args:
        id: the name of the picture.
        image: uint8 (H, W, 3), RGB.
        mask: (H, W) true class indices and ignore values.
        labels: (H, W) predicted class indices.
        label_space: gives the colours.
        caption: figures to print below.
        group: heading that it stands under.
        longest: longer side in pixels that larger pictures are reduced to.
    """
    image, mask, labels = _reduced(image, mask, labels, longest)
    ignored = mask == label_space.ignore_index
    errors = pale(image, 0.55)
    errors[(labels != mask) & ~ignored] = WRONG_COLOR
    errors[ignored] = (0.45 * errors[ignored] + 0.55 * np.array(IGNORED_COLOR)).astype(np.uint8)
    return Example(
        id,
        caption,
        group,
        image,
        truth=paint(image, mask, label_space, alpha=0.6),
        prediction=paint(image, labels, label_space, alpha=0.6),
        errors=errors,
        key=PIXEL_LEGEND,
    )


def _reduced(
    image: NDArray[np.uint8], mask: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]], longest: int
) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Reduce all three to the size of the drawing before outlines are drawn, so that the outlines stay visible."""
    height, width = image.shape[:2]
    size = reduced_size((height, width), longest)
    if size is None:
        return image, mask, labels
    small = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    factor = longest / max(height, width)
    rows, columns = ((np.arange(side) + 0.5) / factor for side in size)
    nearest = np.ix_(rows.astype(int).clip(max=height - 1), columns.astype(int).clip(max=width - 1))
    return small, mask[nearest], labels[nearest]
