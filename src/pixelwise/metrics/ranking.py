"""COCO's average precision of many weighted sets of the same pictures at once.

:mod:`pixelwise.metrics.average_precision` scores one set. A bootstrap needs the AP of a thousand sets that differ only
in how often they hold each picture: matches within pictures are the same in all of them, and so is the order by score,
so that both are computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pixelwise.metrics.average_precision import IouType
from pixelwise.metrics.compared import Compared
from pixelwise.metrics.overlaps import Floats

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)

VALUES_AT_A_TIME = 1 << 17
"""How many weights of predictions are in memory at a time; they stay in a processor's cache."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ranking:
    """The predictions of one class in all pictures, by falling score.

    Args:
        pictures: int64 (M,), the number of the picture of each prediction.
        right: bool (M, 10), whether it matches an annotation at IoU 0.5, 0.55 .. 0.95.
        wrong: bool (M, 10), whether it matches nothing; predictions that match crowds are neither.
        objects: (N,), annotations of each picture without crowds.
    """

    pictures: NDArray[np.int64]
    right: Bools
    wrong: Bools
    objects: Floats

    def precision(self, weights: Floats) -> Floats:
        """Average the precision over COCO's 101 recalls.

        Args:
            weights: (R, N), how often each of R sets holds each picture; integers.

        Returns:
            (R, 10), AP at each IoU; NaN for sets without objects.
        """
        objects = weights @ self.objects  # (R,)
        found = np.zeros((len(weights), len(THRESHOLDS)))
        rows = max(1, VALUES_AT_A_TIME // max(1, len(self.pictures)))
        for first in range(0, len(weights), rows):
            some = slice(first, first + rows)
            found[some] = self._precision(weights[some], objects[some])
        return np.where(objects[:, None] > 0, found, np.nan)

    def _precision(self, weights: Floats, objects: Floats) -> Floats:
        drawn = weights[:, self.pictures]  # (R, M)
        total = drawn.cumsum(1)
        counted = self.right | self.wrong
        found = np.zeros((len(weights), len(THRESHOLDS)))
        for place in range(len(THRESHOLDS)):
            right = np.flatnonzero(self.right[:, place])
            if not len(right):
                continue
            # Between two right predictions precision only falls, so that it is needed at right ones alone.
            hits = drawn[:, right].cumsum(1)  # (R, right ones)
            some = counted[:, place]
            before = (total if some.all() else (drawn * some).cumsum(1))[:, right]  # predictions up to this one
            precision = hits / np.maximum(before, 1)
            best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]  # at this recall or a higher one
            reached = np.searchsorted(RECALLS, hits / np.maximum(objects, 1)[:, None], side="right")
            found[:, place] = (best * np.diff(reached, axis=1, prepend=0)).sum(1) / len(RECALLS)
        return found


def rank(pictures: Sequence[Compared], classes: int, kind: IouType, *, max_detections: int = 100) -> list[Ranking]:
    """Match predictions as COCO does, objects of all areas, and put those of each class in order.

    Args:
        pictures: the set.
        classes: number of classes.
        kind: what is compared.
        max_detections: the number of best predictions per class and picture that count.
    """
    matched = [_match(picture, kind) for picture in pictures]
    rankings = []
    for label in range(classes):
        own = [np.flatnonzero(picture.predicted == label)[:max_detections] for picture in pictures]
        scores = np.concatenate([picture.scores[some] for picture, some in zip(pictures, own, strict=True)])
        order = np.argsort(-scores, kind="stable")  # of equal scores, the first picture comes first, as in COCO's code
        numbers = np.repeat(np.arange(len(pictures)), [len(some) for some in own])
        right, ignored = (
            np.concatenate([sides[side][some] for sides, some in zip(matched, own, strict=True)])[order]
            for side in (0, 1)
        )
        objects = [np.count_nonzero((picture.labels == label) & ~picture.crowd) for picture in pictures]
        rankings.append(Ranking(numbers[order], right, ~right & ~ignored, np.array(objects, np.float64)))
    return rankings


def weighted_ap(rankings: Iterable[Ranking], weights: Floats) -> Floats:
    """AP at each IoU of weighted sets, averaged over the classes that have objects in a set: (R, N) -> (R, 10)."""
    by_class = np.stack([ranking.precision(weights) for ranking in rankings])  # (K, R, 10)
    defined = ~np.isnan(by_class)
    counts = defined.sum(0)
    sums = np.where(defined, by_class, 0).sum(0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _match(picture: Compared, kind: IouType) -> tuple[Bools, Bools]:
    """Match the predictions of a picture at all IoUs: which match an annotation, and which a crowd; (M, 10) each.

    Each prediction, the best score first, takes the free annotation of the largest IoU, of equal ones the last; a crowd
    only if there is none, and a crowd may be taken again.
    """
    right = np.zeros((len(picture.scores), len(THRESHOLDS)), np.bool_)
    ignored = np.zeros_like(right)
    values = getattr(picture.overlaps, kind)
    near = np.flatnonzero(values >= THRESHOLDS[0])
    predicted, true = picture.overlaps.pairs[near].T
    crowd = picture.crowd[true]
    order = np.lexsort((true, crowd, predicted))
    taken = np.zeros((len(picture.labels), len(THRESHOLDS)), np.bool_)
    levels = np.arange(len(THRESHOLDS))
    for number, pairs in groupby(order.tolist(), key=predicted.tolist().__getitem__):
        best, match = THRESHOLDS.copy(), np.full(len(THRESHOLDS), -1)
        for pair in pairs:
            value = values[near[pair]]
            if crowd[pair]:
                ignored[number] |= (match < 0) & (value >= THRESHOLDS)
            else:
                better = (value >= best) & ~taken[true[pair]]
                best[better], match[better] = value, true[pair]
        real = match >= 0
        right[number] = real
        taken[match[real], levels[real]] = True
    return right, ignored
