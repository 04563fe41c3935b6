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
FOUND_COLOR: Color = (30, 142, 80)
MISSED_COLOR: Color = (37, 99, 201)
PIXEL_LEGEND = (("wrong", WRONG_COLOR), ("ignored", IGNORED_COLOR))
CLASS_LEGEND = (("found", FOUND_COLOR), ("missed", MISSED_COLOR), ("taken for it", WRONG_COLOR))


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
    focus: int | None = None,
    confidence: NDArray[np.floating[Any]] | None = None,
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
        focus: the class whose errors are drawn; None: all wrong pixels.
        confidence: (h, w), the probability of the label 0 .. 1, of any size that covers the picture.
    """
    image, mask, labels = _reduced(image, mask, labels, longest)
    return Example(
        id,
        caption,
        group,
        image,
        truth=paint(image, mask, label_space, alpha=0.6),
        prediction=paint(image, labels, label_space, alpha=0.6),
        errors=_paint_errors(image, mask, labels, label_space.ignore_index, focus),
        key=PIXEL_LEGEND if focus is None else CLASS_LEGEND,
        confidence=None if confidence is None else paint_confidence(confidence, (image.shape[0], image.shape[1])),
    )


def paint_confidence(confidence: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Paint probabilities (h, w) as uint8 (H, W, 3): black where the label is certain, bright where it is not."""
    doubt = np.rint(255 * (1 - np.asarray(confidence, np.float32))).clip(0, 255).astype(np.uint8)
    larger = doubt.shape[0] < size[0]
    doubt = np.asarray(
        cv2.resize(doubt, size[::-1], interpolation=cv2.INTER_LINEAR if larger else cv2.INTER_AREA), np.uint8
    )
    return np.asarray(cv2.applyColorMap(doubt, cv2.COLORMAP_INFERNO)[..., ::-1], np.uint8)


def _paint_errors(
    image: NDArray[np.uint8],
    mask: NDArray[np.integer[Any]],
    labels: NDArray[np.integer[Any]],
    ignore_index: int,
    focus: int | None,
) -> NDArray[np.uint8]:
    ignored = mask == ignore_index
    painted = pale(image, 0.55)
    if focus is None:
        painted[(labels != mask) & ~ignored] = WRONG_COLOR
        painted[ignored] = (0.45 * painted[ignored] + 0.55 * np.array(IGNORED_COLOR)).astype(np.uint8)
        return painted
    true, predicted = mask == focus, (labels == focus) & ~ignored
    both = true & predicted
    painted[both] = (0.5 * painted[both] + 0.5 * np.array(FOUND_COLOR)).astype(np.uint8)
    painted[true & ~predicted] = MISSED_COLOR
    painted[predicted & ~true] = WRONG_COLOR
    return painted


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
