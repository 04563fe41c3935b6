"""COCO's average precision over a set of pictures, computed by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from pixelwise.metrics.compared import Compared
from pixelwise.metrics.overlaps import Floats

IouType = Literal["mask", "box", "boundary"]


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """COCO's figures; NaN where nothing is annotated.

    Args:
        precision: (10, 101, K, 4), precision at each IoU 0.5, 0.55 .. 0.95, recall 0, 0.01 .. 1, class, and range of
            areas (all, small, medium, large).
        recall: (10, K, 4, 3), recall with at most 1, 10 and ``max_detections`` predictions per class and picture.
        max_detections: the last of these limits; it also applies to precision.
    """

    precision: Floats
    recall: Floats
    max_detections: int

    @property
    def ap(self) -> float:
        """Mean over IoU 0.5 .. 0.95 and the classes."""
        return mean(self.precision[..., 0])

    @property
    def ap50(self) -> float:
        """At IoU 0.5."""
        return mean(self.precision[0, ..., 0])

    @property
    def ap75(self) -> float:
        """At IoU 0.75."""
        return mean(self.precision[5, ..., 0])

    @property
    def by_area(self) -> dict[str, float]:
        """AP of ``small`` objects (below 32 x 32 pixels), ``medium`` ones (below 96 x 96) and ``large`` ones."""
        return {
            name: mean(self.precision[..., place]) for place, name in enumerate(("small", "medium", "large"), start=1)
        }

    @property
    def by_class(self) -> list[float]:
        """AP of each class."""
        return [mean(self.precision[:, :, index, 0]) for index in range(self.precision.shape[2])]

    @property
    def recalls(self) -> tuple[float, float, float]:
        """Mean recall with at most 1, 10 and ``max_detections`` predictions per class and picture."""
        return mean(self.recall[:, :, 0, 0]), mean(self.recall[:, :, 0, 1]), mean(self.recall[:, :, 0, 2])


def average_precision(
    pictures: Sequence[Compared], classes: int, kind: IouType, *, max_detections: int = 100
) -> AveragePrecision:
    """Score predictions as COCO does: matched at ten IoUs, precision read at 101 recalls.

    The IoUs have been computed before, within the objects' boxes, so that no mask is decoded here. The size class of an
    object follows COCO: that of an annotation is given by its stated area, or else by its pixels; that of a prediction
    by its pixels, or by its box where boxes are compared.

    Args:
        pictures: the set.
        classes: number of classes.
        kind: what is compared.
        max_detections: the number of best predictions per class and picture that count.
    """
    numbers = range(1, len(pictures) + 1)  # in COCO's code, 0 would mean "without a match"
    header = {
        "images": [{"id": number, "height": 1, "width": 1} for number in numbers],
        "categories": [{"id": index, "name": str(index)} for index in range(classes)],
    }
    truth = [
        {"image_id": number, "category_id": label, "area": area, "iscrowd": int(crowd), "bbox": [0, 0, 1, 1]}
        for number, picture in zip(numbers, pictures, strict=True)
        for label, area, crowd in zip(
            picture.labels.tolist(), picture.areas.tolist(), picture.crowd.tolist(), strict=True
        )
    ]
    predicted = [
        {"image_id": number, "category_id": label, "area": area, "iscrowd": 0, "bbox": [0, 0, 1, 1], "score": score}
        for number, picture in zip(numbers, pictures, strict=True)
        for label, area, score in zip(
            picture.predicted.tolist(),
            (picture.box_areas if kind == "box" else picture.mask_areas).tolist(),
            picture.scores.tolist(),
            strict=True,
        )
    ]
    evaluation = _Evaluation(_data(header, truth), _data(header, predicted), iouType="bbox", rle_iou_max_workers=1)
    evaluation.pictures, evaluation.kind = pictures, kind
    # The three limits must rise; equal ones give the same result.
    evaluation.params.maxDets = [min(1, max_detections), min(10, max_detections), max_detections]
    evaluation.evaluate()
    evaluation.accumulate()
    shape = (10, 101, classes, 4, 3)
    precision = np.asarray(evaluation.eval["precision"], np.float64).reshape(shape)[..., 2]
    recall = np.asarray(evaluation.eval["recall"], np.float64).reshape(10, classes, 4, 3)
    return AveragePrecision(
        np.where(precision < 0, np.nan, precision), np.where(recall < 0, np.nan, recall), max_detections
    )


class _Evaluation(COCOeval_faster):  # type: ignore[misc]
    """COCO's matching and curves on IoUs that have been computed before."""

    pictures: Sequence[Compared]
    kind: IouType

    def computeIoU(self, imgId: int, catId: int) -> Floats:
        """Give the IoUs of one class on one picture: predictions by falling score, annotations in their order."""
        picture = self.pictures[imgId - 1]
        of_class, true_of_class = picture.predicted == catId, picture.labels == catId
        rows, columns = np.cumsum(of_class) - 1, np.cumsum(true_of_class) - 1
        ious = np.zeros((int(of_class.sum()), int(true_of_class.sum())))
        predicted, true = picture.overlaps.pairs[
            of_class[picture.overlaps.pairs[:, 0]]
        ].T  # both objects of a pair have the same class
        values = getattr(picture.overlaps, self.kind)[of_class[picture.overlaps.pairs[:, 0]]]
        ious[rows[predicted], columns[true]] = values
        return ious[: self.params.maxDets[-1]]


def _data(header: dict[str, Any], annotations: list[dict[str, Any]]) -> COCO:
    numbered = [{"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)]
    return COCO({**header, "annotations": numbered})


def mean(values: Floats) -> float:
    """The mean over the defined values; NaN where there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
