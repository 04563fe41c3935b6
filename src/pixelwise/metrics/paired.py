"""Differences between models on the same pictures, by the paired bootstrap (Efron 1979).

Every figure is computed on sets of pictures drawn with replacement. The draws depend only on the number of pictures
and the seed: two models are scored on the same sets, and the difference of their figures on each set has an interval of
its own. It is narrower than the intervals of the two figures suggest, because pictures that are hard are hard for both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.metrics.bootstrap import RESAMPLES, Floats, Interval, Summed, percentile_intervals, resample
from pixelwise.metrics.intervals import PIXEL_FIGURES, pixel_sums


@dataclass(frozen=True, eq=False)
class Sampled:
    """A figure of a set of pictures, and its values on sets drawn from it.

    Args:
        value: the figure of the set; NaN where it is not defined.
        drawn: (R,), its values on the drawn sets; empty where there is no interval to be had, as for a single picture.
    """

    value: float
    drawn: Floats

    @property
    def interval(self) -> Interval | None:
        """The middle 95% of the drawn values; None where there are none."""
        if not self.drawn.size:
            return None
        low, high = percentile_intervals(self.drawn[:, None])[0].tolist()
        return None if math.isnan(low) else (low, high)

    def __sub__(self, other: Sampled) -> Sampled:
        """The difference of two figures of the same pictures, set by set."""
        drawn = self.drawn - other.drawn if self.drawn.shape == other.drawn.shape else np.empty(0)
        return Sampled(self.value - other.value, drawn)


NOT_SAMPLED = np.empty(0)
"""The drawn values of a figure without an interval."""


def mean_of(samples: Sequence[Sampled]) -> Sampled:
    """Average a figure over runs that were scored on the same pictures, set by set.

    Args:
        samples: the figure of each run; at least one.
    """
    same = len({one.drawn.shape for one in samples}) == 1
    drawn = np.mean([one.drawn for one in samples], 0) if same else NOT_SAMPLED
    return Sampled(float(np.mean([one.value for one in samples])), drawn)


def sample_pixels(
    counts: Sequence[NDArray[np.int64]],
    names: Sequence[str],
    others: Mapping[str, Summed] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[dict[str, Sampled], dict[str, Sampled]]:
    """Compute the figures of pixels on drawn sets of pictures.

    Args:
        counts: int64 (K, K) of each picture, ``[target, prediction]``.
        names: of the K classes.
        others: name -> another figure of the same pictures, F = 1.
        resamples: how many sets are drawn.
        seed: of the draws.

    Returns:
        Name of a figure in JSON -> the figure, and class name -> its IoU. A class that fewer than two pictures hold has
        no drawn values, and nothing has any where there is only one picture.
    """
    others = {} if others is None else others
    pixels = pixel_sums(counts)
    values = np.concatenate([one.values() for one in (pixels, *others.values())])  # (F,)
    if len(counts) < 2:
        drawn = np.empty((0, len(values)))
    else:
        drawn = np.concatenate(resample([pixels, *others.values()], resamples=resamples, seed=seed), 1)  # (R, F)
    sampled = [Sampled(float(value), column) for value, column in zip(values, drawn.T, strict=True)]
    first, last = len(PIXEL_FIGURES), len(PIXEL_FIGURES) + len(names)
    hits, target, predicted = np.split(pixels.parts, 3, 1)
    holding = ((target + predicted - hits) > 0).sum(0).tolist()  # pictures that hold each class
    classes = {
        name: one if pictures > 1 else Sampled(one.value, NOT_SAMPLED)
        for name, one, pictures in zip(names, sampled[first:last], holding, strict=True)
    }
    return dict(zip((*PIXEL_FIGURES, *others), (*sampled[:first], *sampled[last:]), strict=True)), classes
