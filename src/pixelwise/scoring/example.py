"""A picture beside its truth and its prediction."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.types import Color

EXAMPLE_SIDE = 640
"""Longer side in pixels that larger pictures are reduced to."""

FULL_SIDE = 4096
"""The same for pictures that are drawn in their full size."""

SMALL_SIDE = 160
"""The same for pictures in a list."""

WRONG_COLOR: Color = (229, 57, 53)
"""Colour of wrongly labelled pixels and of predicted objects that match no annotated object."""


@dataclass(frozen=True, eq=False)
class Example:
    """A picture beside its truth and its prediction, at the size it is shown; all views are uint8 (H, W, 3).

    Args:
        id: the picture's path relative to its data set.
        caption: figures to print below.
        group: heading that it stands under, such as ``"Worst"``.
        image: the picture.
        truth: the annotation painted over it.
        prediction: what was predicted painted over it.
        errors: the picture in grey, with errors in the colours of ``key``.
        key: what the colours of ``errors`` mean.
        confidence: the probability of the label of each pixel, the darker the more probable; None where it is unknown.
    """

    id: str
    caption: str
    group: str
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    errors: NDArray[np.uint8]
    key: tuple[tuple[str, Color], ...] = ()
    confidence: NDArray[np.uint8] | None = None


def pale(image: NDArray[np.uint8], weight: float) -> NDArray[np.uint8]:
    """Turn a picture (H, W, 3) to grey and mix it with white, where ``weight`` is the share of the picture."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(grey, weight, np.full_like(grey, 255), 1 - weight, 0), np.uint8)


def reduced_size(size: tuple[int, int], longest: int = EXAMPLE_SIDE) -> tuple[int, int] | None:
    """Height and width of a picture reduced to a longer side of ``longest``; None if it is not longer than that."""
    height, width = size
    factor = longest / max(height, width)
    return None if factor >= 1 else (max(1, round(height * factor)), max(1, round(width * factor)))
