"""The predictions and annotations of one picture in the form that scores need, without their masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.instances import Instances
from pixelwise.metrics.overlaps import Floats, Overlaps, has_masks, overlaps


@dataclass(frozen=True, eq=False)
class Compared:
    """The data of one picture that the scores of a set need; masks are not kept.

    Predictions are in the order of falling scores, which COCO's evaluation needs.

    Args:
        labels: int64 (N,) classes of the annotations.
        areas: (N,) the areas that the annotations state, else their pixels, else the areas of their boxes.
        crowd: bool (N,), whether an annotation stands for a group.
        predicted: int64 (M,) classes of the predictions.
        scores: (M,); 1 where predictions have no scores.
        mask_areas: (M,) their pixels, or the areas of their boxes.
        box_areas: (M,) the areas of their boxes.
        order: int64 (M,) the numbers of the predictions before sorting.
        overlaps: how much objects overlap.
    """

    labels: NDArray[np.int64]
    areas: Floats
    crowd: NDArray[np.bool_]
    predicted: NDArray[np.int64]
    scores: Floats
    mask_areas: Floats
    box_areas: Floats
    order: NDArray[np.int64]
    overlaps: Overlaps

    def without_small(self, area: float) -> Compared:
        """Leave out the predictions of fewer pixels."""
        kept = self.mask_areas >= area
        if kept.all():
            return self
        overlaps = self.overlaps
        of_kept = kept[overlaps.pairs[:, 0]]
        pairs = overlaps.pairs[of_kept]
        pairs[:, 0] = (np.cumsum(kept) - 1)[pairs[:, 0]]
        mask, boundary = (None if part is None else part[of_kept] for part in (overlaps.mask, overlaps.boundary))
        return Compared(
            self.labels,
            self.areas,
            self.crowd,
            self.predicted[kept],
            self.scores[kept],
            self.mask_areas[kept],
            self.box_areas[kept],
            self.order[kept],
            Overlaps(pairs, overlaps.box[of_kept], mask, boundary),
        )


def compare_objects(truth: Instances, prediction: Instances, classes: int) -> Compared:
    """Compare the objects of one picture, so that their masks need not be kept.

    Args:
        truth: the annotated objects.
        prediction: the predicted objects; their scores are 1 where there are none.
        classes: number of classes, without background.

    Raises:
        SettingError: the two are not of one picture, or a label is no class.
    """
    for objects in (truth, prediction):
        if len(objects) and not 0 <= objects.labels.min() <= objects.labels.max() < classes:
            raise SettingError(
                f"labels of objects are 0 .. {classes - 1}, got {objects.labels.min()} .. {objects.labels.max()}; "
                "do truth and prediction have the same classes?"
            )
    found = overlaps(truth, prediction)
    scores = np.ones(len(prediction)) if prediction.scores is None else prediction.scores.astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    pairs = np.stack([place[found.pairs[:, 0]], found.pairs[:, 1]], 1)
    areas = truth.areas
    if truth.stated_areas is not None:
        areas = np.where(np.isnan(truth.stated_areas), areas, truth.stated_areas)
    sides = (prediction.boxes[:, 2:] - prediction.boxes[:, :2]).astype(np.float64)
    return Compared(
        truth.labels,
        areas,
        truth.is_crowd,
        prediction.labels[order],
        scores[order],
        (prediction.areas if has_masks(prediction) else sides.prod(1))[order],
        sides.prod(1)[order],
        order,
        Overlaps(pairs, found.box, found.mask, found.boundary),
    )
