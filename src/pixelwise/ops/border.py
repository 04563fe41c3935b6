"""The weight map by which a network learns to keep touching objects apart."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixelwise.errors import SettingError
from pixelwise.instances import boxes_of_ids

NEGLIGIBLE_WEIGHT_SHARE = 1e-4
"""A border weight below this share of ``w0`` is left out, which bounds how far an object reaches."""


def border_weight_map(
    objects: ArrayLike, *, w0: float = 10.0, sigma: float = 5.0, class_balance: bool = True
) -> NDArray[np.float32]:
    """Compute weights of pixels from their classes and, for background, from the width of the gap between objects.

    ``w = w_c + w0 * exp(-(d1 + d2)^2 / (2 sigma^2))`` with the distances d1 and d2 to the two nearest objects
    (Ronneberger et al. 2015, eq. 2). The second part applies to background, of which gaps consist; it is 0 where there
    are fewer than two objects.

    Args:
        objects: object ids (H, W), any integer type; 0 is background.
        w0: weight of a gap of no width.
        sigma: width of a gap in pixels at which the weight has fallen to 0.6 of ``w0``.
        class_balance: give objects and background the same total class weight, 1 per pixel on average; else 1 for each.

    Returns:
        (H, W) weights; distances are in pixels from centre to centre.

    Raises:
        SettingError: the ids are not integers (H, W), w0 is negative or sigma is not positive.
    """
    objects = np.asarray(objects)
    if objects.ndim != 2 or not np.issubdtype(objects.dtype, np.integer):
        raise SettingError(f"objects must be integer ids (H, W), got {objects.dtype} {objects.shape}")
    if w0 < 0 or not sigma > 0:
        raise SettingError(f"w0 is {w0} and sigma {sigma}; w0 must not be negative, sigma must be positive")
    background = objects == 0
    weights = np.ones(objects.shape, np.float32)
    if class_balance:
        share = background.mean() if background.size else 0.0
        if 0 < share < 1:
            weights = np.where(background, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)
    nearest, second = _two_nearest(objects, reach=sigma * math.sqrt(-2 * math.log(NEGLIGIBLE_WEIGHT_SHARE)))
    gap = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    weights[background] += gap[background].astype(np.float32)
    return weights


def _two_nearest(objects: NDArray[Any], reach: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find the distances to the nearest and the second nearest object; infinite beyond ``reach``."""
    nearest = np.full(objects.shape, np.inf, np.float32)
    second = nearest.copy()
    margin = math.ceil(reach)
    for identity, (rows, columns) in boxes_of_ids(objects):
        window = (
            slice(max(rows.start - margin, 0), rows.stop + margin),
            slice(max(columns.start - margin, 0), columns.stop + margin),
        )
        elsewhere = (objects[window] != identity).astype(np.uint8)
        distance = cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # OpenCV's last bit depends on the position of the map in memory; the squares are whole numbers.
        distance = np.sqrt(np.rint(distance**2))
        distance[distance > reach] = np.inf
        second[window] = np.minimum(second[window], np.maximum(nearest[window], distance))
        nearest[window] = np.minimum(nearest[window], distance)
    return nearest, second
