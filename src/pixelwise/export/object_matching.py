"""Matching the objects that an exported file finds with those that torch finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import BoxMask, Instances

BOX_PIXELS = 0.01
"""The farthest that the edge of a box may lie from that of the same object by torch, in pixels."""

LEAST_MASK_IOU = 0.99
"""The least IoU of the masks of one object."""

SCORE_TIE = 1e-4
"""Scores that differ by no more are equal: such objects may come in another order."""

NEAR_PIXELS = 0.5
"""A box whose edges all lie within so many pixels shows the same object, where it is only asked whether that is
there."""


@dataclass(frozen=True, eq=False)
class Matched:
    """How two sets of objects of a picture match.

    Args:
        missing: the numbers of the expected objects that were not found.
        surplus: the numbers of the found objects that were not expected.
        box_error: the largest distance of two edges of matching boxes, in pixels.
        mask_iou: the least IoU of matching masks; 1 where there are none.
    """

    missing: tuple[int, ...]
    surplus: tuple[int, ...]
    box_error: float
    mask_iou: float

    @property
    def unmatched(self) -> int:
        """The number of objects on either side without a partner."""
        return len(self.missing) + len(self.surplus)


def match_objects(expected: Instances, found: Instances) -> Matched:
    """Match objects of the same class, score, box and mask, whatever their order among equal scores."""
    free = np.ones(len(found), np.bool_)
    missing, box_error, mask_iou = [], 0.0, 1.0
    for number in range(len(expected)):
        distance = _distances(expected, number, found)
        same = free & (distance <= BOX_PIXELS)
        same &= np.abs(_scores(found) - _scores(expected)[number]) <= SCORE_TIE
        for other in np.flatnonzero(same)[np.argsort(distance[same], kind="stable")].tolist():
            iou = _mask_iou(expected, number, found, other)
            if iou >= LEAST_MASK_IOU:
                free[other] = False
                box_error, mask_iou = max(box_error, float(distance[other])), min(mask_iou, iou)
                break
        else:
            missing.append(number)
    return Matched(tuple(missing), tuple(np.flatnonzero(free).tolist()), box_error, mask_iou)


def count_ties(matched: Matched, expected: Instances, found: Instances, variants: Sequence[Instances]) -> int:
    """Count the unmatched objects about which rounding, or the order of equal scores, decides.

    Args:
        matched: how the two sets match.
        expected: what torch finds.
        found: what the file finds.
        variants: what torch finds with other rounding or another order of equal scores. An object that one of them
            lacks, or that one of them has beyond the expected ones, is a tie.
    """
    lost = sum(any(not _has(one, expected, number) for one in variants) for number in matched.missing)
    gained = sum(any(_has(one, found, number) for one in variants) for number in matched.surplus)
    return lost + gained


def _has(objects: Instances, of: Instances, number: int) -> bool:
    """Whether an object of another set is among these, as far as its class and its box tell."""
    return bool((_distances(of, number, objects) <= NEAR_PIXELS).any())


def _distances(expected: Instances, number: int, found: Instances) -> NDArray[np.float64]:
    """The largest distance of an edge of an object's box from that of each found one; infinite in other classes."""
    far = np.abs(found.boxes.astype(np.float64) - expected.boxes[number]).max(1, initial=0)  # (N,)
    return np.where(found.labels == expected.labels[number], far, np.inf)


def _scores(objects: Instances) -> NDArray[np.float32]:
    assert objects.scores is not None
    return objects.scores


def _mask_iou(expected: Instances, number: int, found: Instances, other: int) -> float:
    if expected.masks is None or found.masks is None:
        return 1.0 if expected.masks is found.masks else 0.0
    return _iou(expected.masks[number], found.masks[other])


def _iou(one: BoxMask, other: BoxMask) -> float:
    shared = one.overlap(other)
    union = one.area + other.area - shared
    return shared / union if union else 1.0
