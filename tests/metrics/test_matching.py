"""One-to-one matching against a loop over whole pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pixelwise.instances import BoxMask, Instances
from pixelwise.metrics.matching import match_objects

SIZE = (12, 40)


def block(left: int, right: int, top: int = 2, bottom: int = 10) -> BoxMask:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return BoxMask.of(mask)


def slow_match(
    truth: Instances, prediction: Instances, iou: float, threshold: float
) -> tuple[list[tuple[int, int]], list[int], list[int], list[int]]:
    found: list[tuple[int, int]] = []
    wrong, ignored = [], []
    for m in sorted(range(len(prediction)), key=lambda m: (-prediction.scores[m], m)):
        if prediction.scores[m] < threshold:
            continue
        predicted = prediction.masks[m].full()
        best, best_iou = None, iou
        for t in range(len(truth)):
            annotated = truth.masks[t].full()
            free = not truth.is_crowd[t] and t not in [pair[0] for pair in found]
            if free and truth.labels[t] == prediction.labels[m]:
                overlap = (predicted & annotated).sum() / (predicted | annotated).sum()
                if overlap > best_iou:
                    best, best_iou = t, overlap
        if best is not None:
            found.append((best, m))
            continue
        inside = sum(
            (predicted & truth.masks[t].full()).sum() / predicted.sum()
            for t in range(len(truth))
            if truth.is_crowd[t] and truth.labels[t] == prediction.labels[m]
        )
        (ignored if inside > 0.5 else wrong).append(m)
    taken = [pair[0] for pair in found]
    missed = [t for t in range(len(truth)) if not truth.is_crowd[t] and t not in taken]
    return sorted(found), sorted(wrong), missed, sorted(ignored)


@pytest.mark.parametrize("iou", [0.5, 0.7])
@pytest.mark.parametrize("threshold", [0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_a_loop(scenes, seed: int, threshold: float, iou: float) -> None:
    seen = np.zeros(4, int)
    for truth, prediction in zip(*scenes(seed, count=8, objects=14), strict=True):
        match = match_objects(truth, prediction, iou, threshold=threshold)
        found, wrong, missed, ignored = slow_match(truth, prediction, iou, threshold)
        assert sorted(map(tuple, match.found.tolist())) == found
        assert (match.wrong.tolist(), match.missed.tolist(), match.ignored.tolist()) == (wrong, missed, ignored)
        seen += [len(found), len(wrong), len(missed), len(ignored)]
        counted = len(found) + len(wrong) + len(missed)
        assert match.score == pytest.approx(len(found) / counted) if counted else math.isnan(match.score)
    assert seen.all() or iou > 0.5


def test_an_iou_of_exactly_a_half_is_no_match() -> None:
    truth = Instances.of_masks(SIZE, [block(0, 20)], [0])
    half = Instances.of_masks(SIZE, [block(0, 10)], [0], scores=np.ones(1, np.float32))
    match = match_objects(truth, half)
    assert (match.found.tolist(), match.wrong.tolist(), match.missed.tolist()) == ([], [0], [0])


def test_of_two_predictions_of_one_object_the_surer_takes_it() -> None:
    truth = Instances.of_masks(SIZE, [block(0, 20)], [0])
    twice = Instances.of_masks(SIZE, [block(0, 20), block(0, 19)], [0, 0], scores=np.array([0.6, 0.9], np.float32))
    match = match_objects(truth, twice)
    assert (match.found.tolist(), match.wrong.tolist()) == ([[0, 1]], [0])


def test_other_classes_do_not_match() -> None:
    truth = Instances.of_masks(SIZE, [block(0, 20)], [0])
    match = match_objects(truth, Instances.of_masks(SIZE, [block(0, 20)], [1]))
    assert (len(match.found), match.wrong.tolist(), match.missed.tolist()) == (0, [0], [0])


def test_a_crowd_is_neither_missed_nor_are_predictions_in_it_wrong() -> None:
    truth = Instances.of_masks(SIZE, [block(0, 30)], [0], crowd=np.array([True]))
    inside = Instances.of_masks(SIZE, [block(2, 8), block(10, 14), block(28, 40)], [0, 0, 0])
    match = match_objects(truth, inside)
    assert match.ignored.tolist() == [0, 1]
    assert match.wrong.tolist() == [2]
    assert len(match.missed) == 0


def test_boxes_are_matched_where_one_side_has_no_masks() -> None:
    truth = Instances.of_masks(SIZE, [block(0, 20)], [0])
    boxes = Instances(SIZE, np.zeros(1, np.int64), np.array([[0, 2, 19, 10]], np.float32))
    match = match_objects(truth, boxes)
    assert match.found.tolist() == [[0, 0]]
    assert match.ious.tolist() == pytest.approx([19 / 20])
