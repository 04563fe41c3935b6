"""Choosing what counts as an object, on pictures that the network was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pixelwise.metrics.compared import Compared
from pixelwise.metrics.matching import match_compared
from pixelwise.metrics.overlaps import Floats

FEWEST_CHOOSING_OBJECTS = 50
"""The fewest annotated objects for a choice, because with fewer it would depend on chance."""
TRIED_SCORES = np.linspace(0.05, 0.95, 91)


def choose_score(pictures: Sequence[Compared], default: float) -> float:
    """Choose the score from which predictions count, so that TP / (TP + FP + FN) at IoU 0.5 is best on pictures.

    Args:
        pictures: with all predictions, those of low scores included.
        default: the value that is preferred among equally good ones, and taken where pictures hold too few objects.

    Returns:
        0.05 .. 0.95 in hundredths, or the default.
    """
    return round(_choose(pictures, [picture.scores for picture in pictures], TRIED_SCORES, default), 2)


def choose_min_area(pictures: Sequence[Compared], default: int) -> int:
    """Choose the least pixels of a prediction that counts as an object, in the same way; predictions do not overlap.

    Returns:
        At most the median area of the annotated objects.
    """
    areas = [picture.mask_areas for picture in pictures]
    annotated = np.concatenate([picture.areas[~picture.crowd] for picture in pictures])
    median = np.median(annotated) if len(annotated) else 0.0
    candidates = np.unique(np.concatenate([*areas, [float(default)]]))
    return int(_choose(pictures, areas, candidates[candidates <= max(median, default)], default))


def _choose(pictures: Sequence[Compared], values: Sequence[Floats], candidates: Floats, default: float) -> float:
    """Choose the threshold of a value. A match does not depend on later predictions, so one matching suffices."""
    objects = sum(int((~picture.crowd).sum()) for picture in pictures)
    if objects < FEWEST_CHOOSING_OBJECTS:
        return default
    right, wrong = [], []
    for picture, own in zip(pictures, values, strict=True):
        match = match_compared(picture, threshold=0)
        right.append(own[match.found[:, 1]])
        wrong.append(own[match.wrong])
    tp, fp = (_reaching(np.concatenate(parts), candidates) for parts in (right, wrong))
    figures = tp / (objects + fp)  # TP + FN are all objects
    best = candidates[figures == figures.max()]
    return float(best[np.abs(best - default).argmin()])


def _reaching(values: Floats, candidates: Floats) -> NDArray[np.int64]:
    """Count the values that reach each candidate."""
    return len(values) - np.searchsorted(np.sort(values), candidates)
