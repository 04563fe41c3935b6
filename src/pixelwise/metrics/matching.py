"""Matching the predicted objects of one picture one to one with the annotated ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import ACCEPTED_SCORE, Instances
from pixelwise.metrics.compared import Compared, compare_objects

ObjectNumbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Match:
    """The found, missed and wrong objects of one picture.

    Args:
        found: int64 (T, 2), numbers of an annotation and of the prediction that matches it.
        ious: (T,) the IoU of each match.
        missed: int64, annotations that no prediction matches; crowds are never missed.
        wrong: int64, predictions that match no annotation.
        ignored: int64, predictions without a match that lie in crowds of their class.
    """

    found: ObjectNumbers
    ious: NDArray[np.float64]
    missed: ObjectNumbers
    wrong: ObjectNumbers
    ignored: ObjectNumbers

    @property
    def score(self) -> float:
        """TP / (TP + FP + FN); NaN where nothing is annotated and nothing was predicted."""
        counted = len(self.found) + len(self.wrong) + len(self.missed)
        return len(self.found) / counted if counted else float("nan")


def match_objects(
    truth: Instances, prediction: Instances, iou: float = 0.5, *, threshold: float = ACCEPTED_SCORE
) -> Match:
    """Match the objects of one picture, class by class.

    Each prediction, the best score first, matches the annotation of the same class with which it has the largest IoU
    among those not yet matched, if that IoU is greater than ``iou``. If ``iou`` is at least 0.5 and masks do not
    overlap among themselves, no two predictions can match the same annotation, and the order does not matter. Masks are
    compared, or boxes where one side has no masks. A prediction without a match is ignored if more than half of it lies
    in crowds of the same class.

    Args:
        truth: annotated objects.
        prediction: predicted objects; without scores all count, in the order given.
        iou: the IoU that a match must exceed.
        threshold: predictions with a lower score are left out.

    Raises:
        SettingError: the two are not of one picture.
    """
    classes = 1 + max((int(objects.labels.max()) for objects in (truth, prediction) if len(objects)), default=0)
    compared = compare_objects(truth, prediction, classes)
    match = match_compared(compared, iou, threshold=threshold)
    found = np.stack([match.found[:, 0], compared.order[match.found[:, 1]]], 1)
    wrong, ignored = (np.sort(compared.order[numbers]) for numbers in (match.wrong, match.ignored))
    return Match(found, match.ious, match.missed, wrong, ignored)


def match_compared(compared: Compared, iou: float = 0.5, *, threshold: float = ACCEPTED_SCORE) -> Match:
    """Match the objects of one picture that were compared; predictions are numbered by falling score.

    See :func:`match_objects`. Predictions that a threshold leaves out do not affect those before them.
    """
    overlaps = compared.overlaps
    overlap = overlaps.box if overlaps.mask is None else overlaps.mask
    crowd = compared.crowd
    accepted = compared.scores >= threshold
    predicted, true = overlaps.pairs[:, 0], overlaps.pairs[:, 1]
    wanted = np.flatnonzero(~crowd[true] & accepted[predicted] & (overlap > iou))
    order = wanted[np.lexsort((-overlap[wanted], predicted[wanted]))]
    taken, done, chosen = set(), set(), []
    for pair in order.tolist():
        if predicted[pair] not in done and true[pair] not in taken:
            done.add(predicted[pair])
            taken.add(true[pair])
            chosen.append(pair)
    found = np.stack([true[chosen], predicted[chosen]], 1).reshape(-1, 2).astype(np.int64)  # (T, 2)
    in_crowds = np.zeros(len(accepted))
    np.add.at(in_crowds, predicted[crowd[true]], overlap[crowd[true]])
    rest = accepted & ~np.isin(np.arange(len(accepted)), found[:, 1])
    return Match(
        found,
        overlap[chosen],
        missed=np.flatnonzero(~crowd & ~np.isin(np.arange(len(crowd)), found[:, 0])),
        wrong=np.flatnonzero(rest & (in_crowds <= 0.5)),
        ignored=np.flatnonzero(rest & (in_crowds > 0.5)),
    )
