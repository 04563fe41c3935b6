"""Intervals of scores of objects: every drawn set has the scores that it would have as a set of pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pixelwise.instances import ObjectRule
from pixelwise.metrics.average_precision import average_precision
from pixelwise.metrics.bootstrap import draw_weights
from pixelwise.metrics.compared import Compared, compare_objects
from pixelwise.metrics.object_intervals import count_sums, object_intervals
from pixelwise.metrics.objects import score_pictures
from pixelwise.metrics.ranking import rank, weighted_ap
from pixelwise.types import LabelSpace

CLASSES = 3


def compared(scenes, seed: int, **options: int) -> list[Compared]:
    return [compare_objects(*pair, CLASSES) for pair in zip(*scenes(seed, **options), strict=True)]


@pytest.mark.parametrize("kind", ["mask", "box", "boundary"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [100, 2])
def test_the_set_itself_has_the_ap_of_coco(scenes, seed: int, kind: str, most: int) -> None:
    pictures = compared(scenes, seed, count=8, objects=20)
    expected = average_precision(pictures, CLASSES, kind, max_detections=most)
    rankings = rank(pictures, CLASSES, kind, max_detections=most)
    found = weighted_ap(rankings, np.ones((1, len(pictures))))[0]
    assert found.mean() == pytest.approx(expected.ap, abs=1e-9)
    assert found[0] == pytest.approx(expected.ap50, abs=1e-9)
    by_class = [ranking.precision(np.ones((1, len(pictures)))).mean() for ranking in rankings]
    np.testing.assert_allclose(by_class, expected.by_class, atol=1e-9)


def test_every_drawn_set_has_the_scores_of_its_pictures(scenes) -> None:
    pictures = compared(scenes, 5)
    rng = np.random.default_rng(0)
    # Equal scores stand in an order that depends on how a set is put together.
    pictures = [replace(one, scores=np.sort(rng.random(len(one.scores)))[::-1]) for one in pictures]
    weights = np.concatenate(list(draw_weights(len(pictures), resamples=20)))
    found = weighted_ap(rank(pictures, CLASSES, "mask"), weights)
    counts = count_sums(pictures, CLASSES, 0.5)
    for ap, drawn in zip(found, weights.astype(int), strict=True):
        again = [picture for picture, times in zip(pictures, drawn, strict=True) for _ in range(times)]
        scores = score_pictures(again, LabelSpace.of(CLASSES), rule=ObjectRule(0.5, 0))
        assert ap.mean() == pytest.approx(scores.ap, abs=1e-9)
        shares = counts.figures((drawn @ counts.parts)[None])[0]
        np.testing.assert_allclose(shares, [scores.ap50_tp_fp_fn, scores.pq])


def test_intervals_hold_their_figures(scenes) -> None:
    pictures = compared(scenes, 1, count=12)
    scores = score_pictures(pictures, LabelSpace.of(CLASSES))
    found = object_intervals(pictures, scores)
    described = scores.to_dict()
    names = {"ap", "ap50", "ap75", "box_ap", "box_ap50", "box_ap75", "boundary_ap", "boundary_ap50"}
    assert set(found) == names | {"ap50_tp_fp_fn", "pq"}
    for name, (low, high) in found.items():
        assert low <= described[name] <= high
    low, high = found["ap"]
    assert low < high
    assert found == object_intervals(pictures, scores)
    assert object_intervals(pictures[:1], score_pictures(pictures[:1], LabelSpace.of(CLASSES))) == {}
