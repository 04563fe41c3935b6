"""Matching the objects of an exported file with those of torch."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.export.object_matching import count_ties, match_objects
from pixelwise.instances import BoxMask, Instances

SIZE = (60, 60)
TRUTH = ((5.0, 5.0, 25.0, 25.0), (30.0, 30.0, 50.0, 55.0), (2.0, 40.0, 20.0, 58.0))


def objects(
    boxes: tuple[tuple[float, ...], ...] = TRUTH, *, labels: tuple[int, ...] = (0, 1, 0), shift: int = 0
) -> Instances:
    masks = [
        BoxMask(np.ones((int(bottom) - int(top), int(right) - int(left)), np.bool_), int(top) + shift, int(left), SIZE)
        for left, top, right, bottom in boxes
    ]
    scores = np.linspace(0.9, 0.6, len(boxes)).astype(np.float32)
    return Instances(SIZE, np.array(labels[: len(boxes)]), np.array(boxes, np.float32), tuple(masks), scores)


def test_equal_sets_match_in_any_order_of_equal_scores() -> None:
    truth = objects()
    assert truth.scores is not None
    truth.scores[:] = 0.7
    matched = match_objects(truth, truth[[2, 0, 1]])
    assert (matched.missing, matched.surplus, matched.box_error, matched.mask_iou) == ((), (), 0.0, 1.0)


def test_another_order_of_other_scores_does_not_match() -> None:
    truth, swapped = objects(), objects()
    assert swapped.scores is not None
    swapped.scores[:2] = swapped.scores[1::-1].copy()
    assert match_objects(truth, swapped).missing == (0, 1)


@pytest.mark.parametrize(("by", "missing"), [(0.009, ()), (0.011, (1,))])
def test_boxes_match_within_a_hundredth_of_a_pixel(by: float, missing: tuple[int, ...]) -> None:
    moved = objects((TRUTH[0], (30.0, 30.0, 50.0, 55.0 + by), TRUTH[2]))
    matched = match_objects(objects(), moved)
    assert matched.missing == matched.surplus == missing
    if not missing:
        assert matched.box_error == pytest.approx(by, abs=1e-5)


def test_classes_and_masks_must_agree() -> None:
    assert match_objects(objects(), objects(labels=(0, 0, 0))).missing == (1,)
    assert match_objects(objects(), objects(shift=1)).missing == (0, 1, 2)


def test_one_object_matches_one_only() -> None:
    doubled = objects((TRUTH[0], TRUTH[0], TRUTH[2]), labels=(0, 0, 0))
    assert doubled.scores is not None
    doubled.scores[1] = doubled.scores[0]
    matched = match_objects(objects((TRUTH[0],)), doubled)
    assert (matched.missing, matched.surplus) == ((), (1, 2))


def test_no_objects_match_none() -> None:
    nothing = Instances.none(SIZE)
    nothing = Instances(SIZE, nothing.labels, nothing.boxes, (), np.zeros(0, np.float32))
    assert match_objects(nothing, nothing).unmatched == 0
    assert match_objects(nothing, objects()).surplus == (0, 1, 2)
    assert match_objects(objects(), nothing).missing == (0, 1, 2)


def test_ties_are_objects_that_variants_lack_or_have() -> None:
    truth, found = objects()[[0, 1]], objects()[[0, 2]]
    matched = match_objects(truth, found)
    assert (matched.missing, matched.surplus) == ((1,), (1,))
    assert count_ties(matched, truth, found, [truth]) == 0
    assert count_ties(matched, truth, found, [truth, objects()[[0]]]) == 1  # one lacks what is missing
    assert count_ties(matched, truth, found, [objects()[[0, 2]]]) == 2
