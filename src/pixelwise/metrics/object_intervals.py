"""Intervals of the scores of objects over pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pixelwise.metrics.average_precision import IouType
from pixelwise.metrics.bootstrap import Floats, Interval, Summed, draw_weights, percentile_intervals, resample
from pixelwise.metrics.compared import Compared
from pixelwise.metrics.intervals import defined_mean, ratio
from pixelwise.metrics.matching import match_compared
from pixelwise.metrics.objects import ObjectScores
from pixelwise.metrics.ranking import rank, weighted_ap

OBJECT_RESAMPLES = 1_000
"""How many sets are drawn: AP is no figure of sums, so that a set takes more time than one whose pixels are counted."""


def object_intervals(
    pictures: Sequence[Compared], scores: ObjectScores, *, resamples: int = OBJECT_RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Compute the intervals of AP, TP / (TP + FP + FN) and PQ.

    Args:
        pictures: the pictures that were scored.
        scores: their scores, whose rule of what counts applies here as well.
        resamples: how many sets are drawn.
        seed: of the draws.

    Returns:
        Name of a figure in JSON -> its interval; empty for fewer than two pictures.
    """
    if len(pictures) < 2:
        return {}
    figures = resample_objects(pictures, scores, resamples=resamples, seed=seed)
    ends = percentile_intervals(np.stack(list(figures.values()), 1)).tolist()
    return {name: (low, high) for name, (low, high) in zip(figures, ends, strict=True) if not math.isnan(low)}


def resample_objects(
    pictures: Sequence[Compared], scores: ObjectScores, *, resamples: int = OBJECT_RESAMPLES, seed: int = 0
) -> dict[str, Floats]:
    """Compute AP, TP / (TP + FP + FN) and PQ on drawn sets of pictures.

    Args:
        pictures: the pictures that were scored; at least one.
        scores: their scores, whose rule of what counts applies here as well.
        resamples: how many sets are drawn.
        seed: of the draws.

    Returns:
        Name of a figure in JSON -> its values on the drawn sets (``resamples``,).
    """
    classes = len(scores.names)
    pictures = [picture.without_small(scores.counted.min_area) for picture in pictures]
    kinds: dict[str, IouType] = {"box_": "box"}
    if scores.overlap == "mask":
        kinds |= {"": "mask", "boundary_": "boundary"}
    weights = np.concatenate(list(draw_weights(len(pictures), resamples=resamples, seed=seed)))
    figures: dict[str, Floats] = {}
    for prefix, kind in kinds.items():
        ap = weighted_ap(rank(pictures, classes, kind, max_detections=scores.max_detections), weights)  # (R, 10)
        figures |= {f"{prefix}ap": ap.mean(1), f"{prefix}ap50": ap[:, 0]}
        if kind != "boundary":
            figures[f"{prefix}ap75"] = ap[:, 5]
    if scores.overlap == "box":
        figures |= {name: figures[f"box_{name}"] for name in ("ap", "ap50", "ap75")}
    (counted,) = resample([count_sums(pictures, classes, scores.counted.score)], resamples=resamples, seed=seed)
    return figures | {"ap50_tp_fp_fn": counted[:, 0], "pq": counted[:, 1]}


def resample_class_ap(
    pictures: Sequence[Compared],
    scores: ObjectScores,
    kind: IouType,
    *,
    resamples: int = OBJECT_RESAMPLES,
    seed: int = 0,
) -> list[Floats]:
    """Compute the AP of each class on drawn sets of pictures; see :func:`resample_objects`.

    Args:
        pictures: the pictures that were scored; at least one.
        scores: their scores.
        kind: what is compared.
        resamples: how many sets are drawn.
        seed: of the draws.

    Returns:
        For each class, its AP on the drawn sets (``resamples``,); NaN where none of its objects was drawn.
    """
    pictures = [picture.without_small(scores.counted.min_area) for picture in pictures]
    weights = np.concatenate(list(draw_weights(len(pictures), resamples=resamples, seed=seed)))
    rankings = rank(pictures, len(scores.names), kind, max_detections=scores.max_detections)
    return [ranking.precision(weights).mean(1) for ranking in rankings]


def count_sums(pictures: Sequence[Compared], classes: int, threshold: float) -> Summed:
    """TP / (TP + FP + FN) and PQ at IoU 0.5 as figures of sums over pictures: F = 2.

    Args:
        pictures: the set.
        classes: number of classes.
        threshold: predictions of a lower score do not count.
    """
    parts = np.zeros((len(pictures), 4, classes))  # found, wrong, missed, and the IoU of what was found
    for own, picture in zip(parts, pictures, strict=True):
        match = match_compared(picture, threshold=threshold)
        found = picture.labels[match.found[:, 0]]
        own[0] = np.bincount(found, minlength=classes)
        own[1] = np.bincount(picture.predicted[match.wrong], minlength=classes)
        own[2] = np.bincount(picture.labels[match.missed], minlength=classes)
        own[3] = np.bincount(found, weights=match.ious, minlength=classes)
    return Summed(parts.reshape(len(pictures), -1), _count_figures)


def _count_figures(sums: Floats) -> Floats:
    found, wrong, missed, ious = np.split(sums, 4, 1)  # (R, K) each
    share = ratio(found.sum(1), (found + wrong + missed).sum(1))
    quality = ratio(ious, found + 0.5 * wrong + 0.5 * missed)  # mean IoU of the matches times the recognition quality
    return np.stack([share, defined_mean(quality)], 1)
