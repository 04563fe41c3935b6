"""Which predicted object is which annotated one: the objects of one picture, matched one to one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Instances
from pixelwise.metrics.overlaps import Overlaps, overlaps

SHOWN = 0.5
"""Predictions of at least this score count where a figure needs a decision; AP does without one."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Match:
    """Objects of one picture that were found, missed and made up.

    Args:
        found: int64 (T, 2), numbers of an annotation and of the prediction that is it.
        ious: (T,) how well they agree.
        missed: int64, annotations that no prediction is; crowds are never missed.
        wrong: int64, predictions that are no annotation.
        ignored: int64, predictions without a match that lie in crowds of their class.
    """

    found: Numbers
    ious: NDArray[np.float64]
    missed: Numbers
    wrong: Numbers
    ignored: Numbers

    @property
    def score(self) -> float:
        """TP / (TP + FP + FN); NaN where nothing is there and nothing was predicted."""
        counted = len(self.found) + len(self.wrong) + len(self.missed)
        return len(self.found) / counted if counted else float("nan")


def match_objects(
    truth: Instances,
    prediction: Instances,
    iou: float = 0.5,
    *,
    threshold: float = SHOWN,
    compared: Overlaps | None = None,
) -> Match:
    """Match the objects of one picture, class by class.

    Each prediction, the best score first, takes the annotation of its class that it agrees with most among those not
    taken, if their IoU is greater than ``iou``. From 0.5 on, and where masks do not overlap among themselves, no two
    can want the same one, and the order does not matter. Masks are compared, or boxes where one side has no masks. A
    prediction without a match more than half of which lies in crowds of its class is ignored.

    Args:
        truth: annotated objects.
        prediction: predicted objects; without scores all count, in the order given.
        iou: what a match must be better than.
        threshold: predictions with a lower score are left out.
        compared: what :func:`pixelwise.metrics.overlaps.overlaps` gives for the two, where it is known already.

    Raises:
        SettingError: the two are not of one picture.
    """
    compared = overlaps(truth, prediction) if compared is None else compared
    overlap = compared.box if compared.mask is None else compared.mask
    scores = np.ones(len(prediction)) if prediction.scores is None else prediction.scores
    crowd = truth.is_crowd
    shown = scores >= threshold if prediction.scores is not None else np.ones(len(prediction), np.bool_)
    mine, its = compared.pairs[:, 0], compared.pairs[:, 1]
    wanted = np.flatnonzero(~crowd[its] & shown[mine] & (overlap > iou))
    # By falling score, then by the predictions' order, then by falling IoU.
    order = wanted[np.lexsort((-overlap[wanted], mine[wanted], -scores[mine[wanted]]))]
    taken, done, chosen = set(), set(), []
    for pair in order.tolist():
        if mine[pair] not in done and its[pair] not in taken:
            done.add(mine[pair])
            taken.add(its[pair])
            chosen.append(pair)
    found = np.stack([its[chosen], mine[chosen]], 1).reshape(-1, 2).astype(np.int64)  # (T, 2)
    in_crowds = np.zeros(len(prediction))
    np.add.at(in_crowds, mine[crowd[its]], overlap[crowd[its]])
    rest = shown & ~np.isin(np.arange(len(prediction)), found[:, 1])
    return Match(
        found,
        overlap[chosen],
        missed=np.flatnonzero(~crowd & ~np.isin(np.arange(len(truth)), found[:, 0])),
        wrong=np.flatnonzero(rest & (in_crowds <= 0.5)),
        ignored=np.flatnonzero(rest & (in_crowds > 0.5)),
    )
