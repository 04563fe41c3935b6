"""Intervals of the figures of a set, by the names that they have in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.metrics.bootstrap import RESAMPLES, Floats, Interval, Summed, describe, percentile_intervals, resample

PIXEL_FIGURES = ("miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "dice")


@dataclass(frozen=True)
class Intervals:
    """95% intervals over pictures; see :mod:`pixelwise.metrics.bootstrap`.

    Args:
        pictures: how many pictures the set has.
        figures: name of a figure in JSON -> low and high; figures without an interval are left out.
        class_iou: class name -> interval of its IoU; None for a class that fewer than two pictures hold.
        resamples: how many sets were drawn.
    """

    pictures: int
    figures: Mapping[str, Interval] = field(default_factory=dict)
    class_iou: Mapping[str, Interval | None] = field(default_factory=dict)
    resamples: int = RESAMPLES

    @property
    def meaning(self) -> str:
        """What the intervals mean, or why there are none, in a sentence."""
        return describe(self.pictures, self.resamples)

    def to_dict(self) -> dict[str, Any]:
        """Describe them in plain JSON types: ``intervals``, ``iou_intervals`` and ``intervals_meaning``."""
        classes = {"iou_intervals": {name: _plain(one) for name, one in self.class_iou.items()}}
        return {
            "intervals": {name: _plain(one) for name, one in self.figures.items()},
            **(classes if self.class_iou else {}),
            "intervals_meaning": self.meaning,
        }


def pixel_sums(counts: Sequence[NDArray[np.int64]]) -> Summed:
    """Give the figures that follow from confusion counts, as :class:`pixelwise.metrics.scores.Scores` defines them.

    Args:
        counts: int64 (K, K) of each picture, ``[target, prediction]``.

    Returns:
        The five of ``PIXEL_FIGURES``, then the IoU of each class: F = 5 + K. Only the diagonal and the sums of rows and
        columns are needed, D = 3 K.
    """
    parts = [np.concatenate([one.diagonal(), one.sum(1), one.sum(0)]) for one in counts]
    return Summed(np.array(parts, np.float64), _pixel_figures)


def _pixel_figures(sums: Floats) -> Floats:
    hits, target, predicted = np.split(sums, 3, 1)  # (R, K) each
    iou = ratio(hits, target + predicted - hits)
    pixels = target.sum(1)
    weighted = np.where(target > 0, target * np.nan_to_num(iou), 0).sum(1)
    figures = (
        defined_mean(iou),
        ratio(hits.sum(1), pixels),
        defined_mean(ratio(hits, target)),
        ratio(weighted, pixels),
        defined_mean(ratio(2 * hits, target + predicted)),
    )
    return np.concatenate([np.stack(figures, 1), iou], 1)


def pixel_intervals(
    counts: Sequence[NDArray[np.int64]],
    names: Sequence[str],
    others: Mapping[str, Summed] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Intervals:
    """Compute the intervals of a set whose pixels were scored.

    Args:
        counts: int64 (K, K) of each picture, ``[target, prediction]``.
        names: of the K classes.
        others: name -> another figure of the same pictures, F = 1, for which an interval is wanted.
        resamples: how many sets are drawn.
        seed: of the draws.
    """
    if len(counts) < 2:
        return Intervals(len(counts), class_iou=dict.fromkeys(names) if counts else {}, resamples=resamples)
    others = {} if others is None else others
    pixels = pixel_sums(counts)
    values = np.concatenate(resample([pixels, *others.values()], resamples=resamples, seed=seed), 1)
    hits, target, predicted = np.split(pixels.parts, 3, 1)
    holding = ((target + predicted - hits) > 0).sum(0)  # pictures that hold each class
    found = [
        None if math.isnan(low) else (float(low), float(high)) for low, high in percentile_intervals(values).tolist()
    ]
    first = len(PIXEL_FIGURES)
    of_classes = found[first : first + len(names)]
    own = zip((*PIXEL_FIGURES, *others), (*found[:first], *found[first + len(names) :]), strict=True)
    return Intervals(
        len(counts),
        {name: one for name, one in own if one is not None},
        {
            name: one if pictures > 1 else None
            for name, one, pictures in zip(names, of_classes, holding.tolist(), strict=True)
        },
        resamples,
    )


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide; NaN where the whole is 0."""
    quotient: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return quotient


def defined_mean(values: Floats) -> Floats:
    """Average the defined values of each row, (R, K) -> (R,); NaN for rows without any."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(1), defined.sum(1).astype(np.float64))


def _plain(one: Interval | None) -> list[float] | None:
    return None if one is None else list(one)
