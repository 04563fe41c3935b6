"""Scores of classes by the size of what is annotated: small parts are missed more easily than large ones."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIZES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)
"""Parts of fewer pixels than the first are small, of fewer than the second medium, and others large, as in COCO."""


def count_part_sizes(
    target: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]], *, ignore_index: int = 255
) -> NDArray[np.int64]:
    """Count, for the connected parts (8 neighbours) of each class of a mask, the pixels that are labelled right.

    Args:
        target: (H, W) class indices and ignore values.
        labels: (H, W) class indices.
        ignore_index: target value of pixels that do not count.

    Returns:
        int64 (3, 4), for small, medium and large parts: parts, those of which more than half is right, pixels, and
        pixels that are right.
    """
    counts = np.zeros((len(SIZES), 4), np.int64)
    # Row by row, because `bincount` makes 8 bytes of each pixel.
    present = set().union(*(np.flatnonzero(np.bincount(row[row != ignore_index])).tolist() for row in target))
    for label in sorted(present):
        own = target == label
        left, top, width, height = cv2.boundingRect(own.view(np.uint8))
        window = np.s_[top : top + height, left : left + width]
        own = own[window]
        number, parts, stats, _ = cv2.connectedComponentsWithStats(own.view(np.uint8).copy(), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA].astype(np.int64)
        right = np.bincount(parts[own & (labels[window] == label)], minlength=number)[1:]
        sizes = np.searchsorted(SIZE_LIMITS, areas, side="right")
        for column, values in enumerate((np.ones_like(areas), 2 * right > areas, areas, right)):
            counts[:, column] += np.bincount(sizes, weights=values, minlength=len(SIZES)).astype(np.int64)
    return counts


def describe_part_sizes(counts: NDArray[np.int64]) -> dict[str, dict[str, float | int | None]]:
    """Describe the parts of a set in plain JSON types; ratios of no parts are None.

    Args:
        counts: int64 (3, 4), the sum of what :func:`count_part_sizes` gave.

    Returns:
        Size -> ``parts``, ``found`` (share of the parts of which more than half is right), ``pixels`` and ``accuracy``.
    """
    return {
        size: {
            "parts": parts,
            "found": found / parts if parts else None,
            "pixels": pixels,
            "accuracy": right / pixels if pixels else None,
        }
        for size, (parts, found, pixels, right) in zip(SIZES, counts.tolist(), strict=True)
    }
