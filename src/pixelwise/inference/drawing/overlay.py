"""Painting labels over a picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.types import LabelSpace

OUTLINE_DARKNESS = 0.55
"""How dark the outline of a class is, as a factor on its colour."""


def paint(
    image: NDArray[np.uint8], labels: NDArray[Any], label_space: LabelSpace, *, alpha: float = 0.5
) -> NDArray[np.uint8]:
    """Paint labels over a picture in the colours of their classes, with a darker outline where classes meet.

    Ignored pixels, and the background class where the label space has one, show the picture unchanged.

    Args:
        image: uint8 (H, W, 3), RGB.
        labels: (H, W) class indices and ignore values.
        label_space: gives colours, ignore value and background.
        alpha: how strong the colours are, from 0 (not there) to 1 (opaque).

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        SettingError: alpha is outside 0 .. 1, or the labels have another size than the picture.
    """
    if not 0 <= alpha <= 1:
        raise SettingError(f"alpha is {alpha}; it lies between 0 (picture only) and 1 (colours only)")
    if image.shape[:2] != labels.shape:
        raise SettingError(f"labels {labels.shape} do not lie on a picture of {image.shape[:2]} (height, width)")
    values = np.arange(max(label_space.ignore_index, len(label_space)) + 1)
    bare = (values >= len(label_space)) | (values == label_space.background)
    colors = label_space.colorize(labels)
    borders = _borders(labels)
    colors[borders] = (colors[borders] * OUTLINE_DARKNESS).astype(np.uint8)
    painted = cv2.addWeighted(colors, alpha, image, 1 - alpha, 0)
    hidden = bare[labels]
    painted[hidden] = image[hidden]
    return np.asarray(painted, np.uint8)


def _borders(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the pixels within reach of another class: (H, W), wider on larger pictures so that it stays visible."""
    reach = max(1, round(min(labels.shape) / 700))
    values: NDArray[Any] = labels if labels.dtype in (np.uint8, np.uint16) else labels.astype(np.float32)
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.dilate(values, window) != cv2.erode(values, window))
