"""Bootstrap intervals against slow loops and scipy, and what they say of sets of few pictures."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from pixelwise.metrics.bootstrap import Summed, describe, draw_weights, percentile_intervals, resample
from pixelwise.metrics.intervals import PIXEL_FIGURES, pixel_intervals, pixel_sums
from pixelwise.metrics.scores import Scores


def random_counts(seed: int, pictures: int, classes: int, *, absent: float = 0.3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(pictures):
        counts = rng.integers(0, 500, (classes, classes)) + np.diag(rng.integers(0, 5000, classes))
        gone = rng.random(classes) < absent
        counts[gone] = counts[:, gone] = 0
        made.append(counts)
    return made


def test_the_figures_of_the_set_itself_are_its_scores() -> None:
    counts = random_counts(0, 7, 5)
    values = pixel_sums(counts).values()
    scores = Scores.from_counts(np.sum(counts, 0), 5)
    np.testing.assert_allclose(values[:5], [getattr(scores, name) for name in PIXEL_FIGURES], rtol=1e-12)
    np.testing.assert_array_equal(values[5:], scores.class_iou)


@pytest.mark.parametrize("classes", [2, 6])
def test_every_drawn_set_is_scored_as_a_set(classes: int) -> None:
    counts = random_counts(classes, 4, classes, absent=0.5)
    (values,) = resample([pixel_sums(counts)], resamples=50, seed=3)
    weights = np.concatenate(list(draw_weights(4, resamples=50, seed=3)))
    assert (weights.sum(1) == 4).all()
    for row, drawn in zip(values, weights.astype(int), strict=True):
        scores = Scores.from_counts(sum(n * one for n, one in zip(drawn, counts, strict=True)), classes)
        expected = [getattr(scores, name) for name in PIXEL_FIGURES]
        np.testing.assert_allclose(row, [*expected, *scores.class_iou], rtol=1e-12)


def test_intervals_agree_with_scipy() -> None:
    counts = random_counts(1, 40, 4)
    ours = pixel_intervals(counts, "abcd")

    def miou(numbers: np.ndarray) -> float:
        return Scores.from_counts(np.sum([counts[n] for n in numbers], 0), 4).miou

    theirs = stats.bootstrap(
        (np.arange(40),), miou, n_resamples=2000, vectorized=False, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    np.testing.assert_allclose(ours.figures["miou"], theirs, atol=0.1 * width)


def test_percentiles_leave_undefined_sets_out() -> None:
    values = np.random.default_rng(0).random((1000, 3))
    values[::3, 1] = np.nan
    values[:, 2] = np.nan
    found = percentile_intervals(values)
    np.testing.assert_allclose(found[0], np.percentile(values[:, 0], [2.5, 97.5]))
    np.testing.assert_allclose(found[1], np.nanpercentile(values[:, 1], [2.5, 97.5]))
    assert np.isnan(found[2]).all()


def test_the_seed_decides_and_pictures_that_agree_have_no_width() -> None:
    counts = random_counts(2, 12, 3)
    assert pixel_intervals(counts, "abc") == pixel_intervals(counts, "abc")
    assert pixel_intervals(counts, "abc") != pixel_intervals(counts, "abc", seed=1)
    low, high = pixel_intervals([counts[1]] * 5, "abc").figures["miou"]
    assert low == high


def test_other_figures_share_the_draws() -> None:
    counts = random_counts(3, 9, 2)
    hits = np.array([[one.trace(), one.sum()] for one in counts], np.float64)
    same = Summed(hits, lambda sums: sums[:, :1] / sums[:, 1:])
    found = pixel_intervals(counts, "ab", {"again": same})
    assert found.figures["again"] == pytest.approx(found.figures["pixel_accuracy"])


def test_a_class_in_one_picture_and_a_set_of_one_have_no_interval() -> None:
    counts = [np.diag([5, 5, 0]), np.diag([4, 4, 2]), np.array([[3, 1, 0], [0, 3, 0], [0, 0, 0]])]
    found = pixel_intervals(counts, "abc")
    assert found.class_iou["c"] is None
    assert found.class_iou["a"] is not None
    alone = pixel_intervals(counts[:1], "abc")
    assert alone.to_dict() == {
        "intervals": {},
        "iou_intervals": dict.fromkeys("abc"),
        "intervals_meaning": describe(1),
    }
    assert "only one" in describe(1)
    assert "rough" in describe(29)
    assert "rough" not in describe(30)


def test_five_hundred_pictures_take_less_than_a_second() -> None:
    counts = random_counts(4, 500, 150)
    fastest = np.inf
    for _ in range(3):
        start, busy = time.perf_counter(), time.process_time()
        pixel_intervals(counts, [str(n) for n in range(150)])
        # Processor time where the machine does other work; time where several threads wait for each other.
        fastest = min(fastest, time.perf_counter() - start, time.process_time() - busy)
    assert fastest < 1
