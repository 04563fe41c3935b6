"""Intervals of figures by the bootstrap over pictures (Efron 1979, percentile method).

Sets as large as the scored one are drawn from it with replacement, and every figure is computed on each of them. The
middle 95% of its values are the interval. All figures here follow from sums over pictures, so that a thousand sets take
one matrix product: how often each picture was drawn, times what it adds to the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.words import counted

RESAMPLES = 10_000
"""How many sets are drawn."""

LEVEL = 0.95
"""The share of the drawn sets whose figures lie in the interval."""

FEW_PICTURES = 30
"""With fewer pictures than this, intervals are printed with a word of caution."""

WEIGHTS_AT_A_TIME = 1 << 20
"""How many numbers of draws are in memory at a time."""

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Summed:
    """Figures of a set that follow from sums over its pictures.

    Args:
        parts: (N, D), what each picture adds. Counts below 2**53 are added up exactly, in any order.
        figures: computes the figures (R, F) of R sets from their sums (R, D); NaN where a figure is not defined.
    """

    parts: Floats
    figures: Callable[[Floats], Floats]

    def values(self) -> Floats:
        """The figures of the set itself: (F,)."""
        values: Floats = self.figures(self.parts.sum(0, keepdims=True))[0]
        return values


def draw_weights(pictures: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[Floats]:
    """Draw sets of pictures with replacement, each as large as the set itself.

    The same number of pictures, resamples and seed give the same sets, which is what comparing two models on the same
    pictures needs.

    Yields:
        (R, N), how often each picture is in each of R sets; all of them together have ``resamples`` rows.
    """
    rng = np.random.default_rng(seed)
    step = max(1, WEIGHTS_AT_A_TIME // pictures)
    for first in range(0, resamples, step):
        sets = min(step, resamples - first)
        drawn = rng.integers(0, pictures, (sets, pictures))
        drawn += pictures * np.arange(sets)[:, None]
        yield np.bincount(drawn.ravel(), minlength=sets * pictures).reshape(sets, pictures).astype(np.float64)


def resample(groups: Sequence[Summed], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Floats]:
    """Compute figures on drawn sets of pictures.

    Args:
        groups: figures of the same N pictures; all are computed on the same draws.
        resamples: how many sets are drawn.
        seed: of the draws.

    Returns:
        For each group, its figures on each drawn set: (``resamples``, F).
    """
    parts = np.concatenate([group.parts for group in groups], 1)  # (N, D)
    ends = np.cumsum([group.parts.shape[1] for group in groups])[:-1]
    found: list[list[Floats]] = [[] for _ in groups]
    for weights in draw_weights(len(parts), resamples=resamples, seed=seed):
        for group, values, sums in zip(groups, found, np.split(weights @ parts, ends, 1), strict=True):
            values.append(group.figures(sums))
    return [np.concatenate(values) for values in found]


def percentile_intervals(values: Floats, *, level: float = LEVEL) -> Floats:
    """Find the middle part of the values of each figure.

    Args:
        values: (R, F) figures on R drawn sets; sets on which a figure is not defined (NaN) are left out.
        level: the share of the sets that lies inside.

    Returns:
        (F, 2), low and high, interpolated between values; NaN where no set has the figure.
    """
    ordered = np.sort(values, 0)  # NaN comes last
    defined = (~np.isnan(values)).sum(0)  # (F,)
    columns = np.arange(values.shape[1])
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        place = share * np.maximum(defined - 1, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(defined - 1, 0))
        low, high = ordered[below, columns], ordered[above, columns]
        ends.append(low + (place - below) * (high - low))
    return np.stack(ends, 1)


def describe(pictures: int, resamples: int = RESAMPLES) -> str:
    """Say in a sentence what the intervals of a set of pictures mean, or why there are none."""
    if pictures < 2:
        return "There are no intervals: they come from the differences between pictures, and only one was scored."
    drawn = f"95% of {resamples:,} sets drawn with replacement from the {counted(pictures, 'picture')}"
    if pictures < FEW_PICTURES:
        return (
            f"Intervals hold {drawn}. With so few pictures they are rough and often too narrow, because pictures "
            "unlike these are in none of the sets; small differences between models mean nothing here."
        )
    return f"Intervals hold {drawn}: other pictures of the same kind would mostly give figures within them."
