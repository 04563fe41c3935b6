"""Differences between models: set by set on the same draws, as a slow loop finds them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelwise.metrics.bootstrap import draw_weights
from pixelwise.metrics.intervals import pixel_intervals
from pixelwise.metrics.paired import Sampled, mean_of, sample_pixels
from pixelwise.metrics.scores import Scores

NAMES = ("sea", "land", "lake")


def counts_of(pictures: int, seed: int) -> list[NDArray[np.int64]]:
    """Counts of pictures, of which only the first holds the last class."""
    counts = np.random.default_rng(seed).integers(0, 50, (pictures, 3, 3))
    counts[1:, 2] = counts[1:, :, 2] = 0
    return list(counts)


def test_figures_and_intervals_are_those_of_an_evaluation() -> None:
    counts = counts_of(9, 0)
    figures, classes = sample_pixels(counts, NAMES, resamples=200)
    scores, intervals = Scores.from_counts(sum(counts), 3), pixel_intervals(counts, NAMES, resamples=200)
    assert {name: one.interval for name, one in figures.items()} == intervals.figures
    assert {name: one.interval for name, one in classes.items()} == intervals.class_iou
    assert figures["miou"].value == pytest.approx(scores.miou)
    assert [one.value for one in classes.values()] == pytest.approx(scores.class_iou.tolist())
    assert classes["lake"].interval is None


def test_a_difference_is_taken_on_the_same_sets() -> None:
    counts, others = counts_of(6, 1), counts_of(6, 2)
    one, other = (sample_pixels(each, NAMES, resamples=40)[0]["miou"] for each in (counts, others))
    difference = one - other
    expected = []
    for weights in np.concatenate(list(draw_weights(6, resamples=40))).astype(int):
        sums = [sum(n * each for n, each in zip(weights, side, strict=True)) for side in (counts, others)]
        expected.append(Scores.from_counts(sums[0], 3).miou - Scores.from_counts(sums[1], 3).miou)
    np.testing.assert_allclose(difference.drawn, expected)
    assert difference.value == pytest.approx(one.value - other.value)
    assert difference.interval == pytest.approx(tuple(np.quantile(expected, [0.025, 0.975])))


def test_equal_models_differ_nowhere() -> None:
    one = sample_pixels(counts_of(6, 1), NAMES, resamples=40)[0]["dice"]
    assert (one - one).interval == (0, 0)


def test_seeds_are_averaged_set_by_set() -> None:
    runs = [sample_pixels(counts_of(6, seed), NAMES, resamples=40)[0]["miou"] for seed in range(3)]
    mean = mean_of(runs)
    assert mean.value == pytest.approx(sum(run.value for run in runs) / 3)
    np.testing.assert_allclose(mean.drawn, sum(run.drawn for run in runs) / 3)
    assert mean_of([runs[0], Sampled(0.5, np.empty(0))]).interval is None


def test_a_single_picture_has_no_intervals() -> None:
    figures, classes = sample_pixels(counts_of(1, 0), NAMES)
    assert all(one.interval is None for one in (*figures.values(), *classes.values()))
    assert (figures["miou"] - figures["miou"]).interval is None
