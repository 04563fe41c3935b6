"""Calibration: whether labels are right as often as their probabilities say (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.metrics.bootstrap import Floats, Summed
from pixelwise.metrics.intervals import ratio

BINS = 15
"""Bins of equal width from 0 to 1."""

STEPS = 1 << 24
"""Probabilities are added up in steps of 1 / 2**24, as integers, so that the sum does not depend on the order."""


def count_reliability(
    target: NDArray[np.integer[Any]],
    labels: NDArray[np.integer[Any]],
    confidence: NDArray[np.float32],
    *,
    ignore_index: int = 255,
) -> NDArray[np.int64]:
    """Sort the pixels of one picture into bins by the probability of their label.

    Args:
        target: (H, W) class indices and ignore values.
        labels: (H, W) class indices.
        confidence: (H, W), the greatest probability of each pixel, 0 .. 1. A bin holds its lower end; 1 is in the last.
            Pixels with NaN, whose probabilities were not computed, do not count.
        ignore_index: target value of pixels that do not count.

    Returns:
        int64 (15, 3): pixels, those whose label is right, and the sum of the probabilities in steps of 1 / 2**24.
    """
    counted = (target != ignore_index) & ~np.isnan(confidence)
    sure = confidence[counted].astype(np.float64)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    right = (target == labels)[counted]
    columns = (None, right, np.rint(sure * STEPS))
    counts = [np.bincount(bins, weights=column, minlength=BINS).astype(np.int64) for column in columns]
    return np.stack(counts, 1)


def ece_sums(pictures: Sequence[NDArray[np.int64]]) -> Summed:
    """Expected calibration error: the mean over pixels of how far their bin's accuracy is from its mean probability.

    Args:
        pictures: what :func:`count_reliability` gave of each.

    Returns:
        One figure, F = 1; 0 is best.
    """
    return Summed(np.array([one.T.ravel() for one in pictures], np.float64), _ece)


def _ece(sums: Floats) -> Floats:
    pixels, right, sure = np.split(sums, 3, 1)  # (R, 15) each
    return ratio(np.abs(right - sure / STEPS).sum(1, keepdims=True), pixels.sum(1, keepdims=True))


def reliability_curve(counts: NDArray[np.int64]) -> list[dict[str, float | int | None]]:
    """Describe the bins of a set in plain JSON types, those without pixels with None.

    Args:
        counts: int64 (15, 3), the sum of what :func:`count_reliability` gave.
    """
    curve: list[dict[str, float | int | None]] = []
    for place, (pixels, right, sure) in enumerate(counts.tolist()):
        curve.append(
            {
                "low": place / BINS,
                "high": (place + 1) / BINS,
                "pixels": pixels,
                "confidence": sure / STEPS / pixels if pixels else None,
                "accuracy": right / pixels if pixels else None,
            }
        )
    return curve
