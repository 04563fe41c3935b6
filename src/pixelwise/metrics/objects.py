"""Scores of predicted objects: COCO's AP, TP / (TP + FP + FN), Boundary AP and panoptic quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.instances import DEFAULT_RULE, Instances, ObjectRule
from pixelwise.metrics.average_precision import AveragePrecision, average_precision, mean
from pixelwise.metrics.compared import Compared, compare_objects
from pixelwise.metrics.matching import match_compared
from pixelwise.types import LabelSpace
from pixelwise.words import counted

IOU_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""The IoUs that matches have to exceed, 0.5 .. 0.95."""


@dataclass(frozen=True, eq=False)
class ObjectScores:
    """Scores of predicted objects on a set of pictures; NaN where a figure is not defined.

    Args:
        names: class names of the objects, in index order.
        overlap: what the headline figures compare: ``"mask"``, or ``"box"`` where one side has boxes only.
        images: how many pictures were scored.
        objects: how many annotated objects there are, without crowds.
        detections: how many predicted objects there are.
        counted: which predictions count for TP, FP and FN, and in panoptic quality.
        headline: AP by masks (or by boxes, see ``overlap``).
        box: AP by boxes.
        boundary: AP by the lesser IoU of masks and outlines; None where there are boxes only.
        counts: int64 (10, K, 3), TP, FP and FN at IoU 0.5, 0.55 .. 0.95, by class, over all pictures.
        iou_sums: (K,) sum of the IoU of the matches at 0.5.
        by_picture: (10,) TP / (TP + FP + FN) per picture, averaged over the pictures that have objects or predictions.
    """

    names: tuple[str, ...]
    overlap: str
    images: int
    objects: int
    detections: int
    counted: ObjectRule
    headline: AveragePrecision
    box: AveragePrecision
    boundary: AveragePrecision | None
    counts: NDArray[np.int64]
    iou_sums: NDArray[np.float64]
    by_picture: NDArray[np.float64]

    @property
    def ap(self) -> float:
        """COCO AP over IoU 0.5 .. 0.95."""
        return self.headline.ap

    @property
    def ap50(self) -> float:
        """COCO AP at IoU 0.5."""
        return self.headline.ap50

    @property
    def max_detections(self) -> int:
        """The number of best predictions per class and picture that AP counts."""
        return self.headline.max_detections

    @property
    def tp(self) -> int:
        """Objects found at IoU 0.5."""
        return int(self.counts[0, :, 0].sum())

    @property
    def fp(self) -> int:
        """Predictions that match no object at IoU 0.5."""
        return int(self.counts[0, :, 1].sum())

    @property
    def fn(self) -> int:
        """Objects missed at IoU 0.5."""
        return int(self.counts[0, :, 2].sum())

    @property
    def by_iou(self) -> NDArray[np.float64]:
        """TP / (TP + FP + FN) at IoU 0.5, 0.55 .. 0.95: (10,), counts of all classes and pictures added up."""
        counts = self.counts.sum(1)  # (10, 3)
        return _ratio(counts[:, 0], counts.sum(1))

    @property
    def ap50_tp_fp_fn(self) -> float:
        """TP / (TP + FP + FN) at IoU 0.5, counts added up over classes and pictures."""
        return float(self.by_iou[0])

    @property
    def class_sq(self) -> NDArray[np.float64]:
        """Segmentation quality of each class, (K,): mean IoU of the matches at 0.5; 0 where there is no match."""
        matches, wrong, missed = self.counts[0].T
        return np.where(matches > 0, _ratio(self.iou_sums, matches), _ratio(matches, matches + wrong + missed))

    @property
    def class_rq(self) -> NDArray[np.float64]:
        """Recognition quality of each class, (K,): TP / (TP + FP / 2 + FN / 2)."""
        matches, wrong, missed = self.counts[0].T
        return _ratio(matches, matches + 0.5 * wrong + 0.5 * missed)

    @property
    def class_pq(self) -> NDArray[np.float64]:
        """Panoptic quality of each class, (K,): the product of the two."""
        return self.class_sq * self.class_rq

    @property
    def pq(self) -> float:
        """Mean panoptic quality over the classes that occur in annotations or predictions."""
        return mean(self.class_pq)

    @property
    def sq(self) -> float:
        """Mean segmentation quality over the same classes."""
        return mean(self.class_sq)

    @property
    def rq(self) -> float:
        """Mean recognition quality over the same classes."""
        return mean(self.class_rq)

    @property
    def rule(self) -> str:
        """The definition of the headline figures, in a sentence to print beside them."""
        compared = "masks" if self.overlap == "mask" else "boxes (one side has no masks)"
        least = f" of {counted(self.counted.min_area, 'pixel')} at least" if self.counted.min_area else ""
        return (
            f"{compared} compared; AP as COCO's, over IoU 0.5 to 0.95 with the best "
            f"{counted(self.max_detections, 'prediction')} a class and picture{least}; TP / (TP + FP + FN), PQ: "
            f"predictions of score >= {self.counted.score:g}, "
            "matched one to one above IoU 0.5 within their class, counts added up over the set; crowds count for "
            "nothing"
        )

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores in plain JSON types; a figure that is not defined is None."""
        matches, wrong, missed = self.counts[0].T.tolist()
        areas, box_areas = self.headline.by_area, self.box.by_area
        recalls = self.headline.recalls
        figures = {
            "ap": self.ap,
            "ap50": self.ap50,
            "ap75": self.headline.ap75,
            **{f"ap_{name}": value for name, value in areas.items()},
            "ap50_tp_fp_fn": self.ap50_tp_fp_fn,
            "ap50_tp_fp_fn_by_picture": float(self.by_picture[0]),
            "ap_tp_fp_fn": mean(self.by_iou),
            "ap_tp_fp_fn_by_picture": mean(self.by_picture),
            "box_ap": self.box.ap,
            "box_ap50": self.box.ap50,
            "box_ap75": self.box.ap75,
            **{f"box_ap_{name}": value for name, value in box_areas.items()},
            "boundary_ap": math.nan if self.boundary is None else self.boundary.ap,
            "boundary_ap50": math.nan if self.boundary is None else self.boundary.ap50,
            "pq": self.pq,
            "sq": self.sq,
            "rq": self.rq,
            "ar_1": recalls[0],
            "ar_10": recalls[1],
            "ar": recalls[2],
        }
        classes = {
            name: {
                "ap": _plain(self.headline.by_class[index]),
                "box_ap": _plain(self.box.by_class[index]),
                "pq": _plain(float(self.class_pq[index])),
                "tp": matches[index],
                "fp": wrong[index],
                "fn": missed[index],
            }
            for index, name in enumerate(self.names)
        }
        return {name: _plain(value) for name, value in figures.items()} | {
            "tp": self.tp,
            "fp": self.fp,
            "fn": self.fn,
            "images": self.images,
            "objects": self.objects,
            "detections": self.detections,
            "max_detections": self.max_detections,
            "score_threshold": self.counted.score,
            "min_area": self.counted.min_area,
            "compared": self.overlap,
            "class_ap": {name: figures["ap"] for name, figures in classes.items()},
            "object_classes": classes,
            "object_rule": self.rule,
        }


def score_objects(
    truths: Sequence[Instances],
    predictions: Sequence[Instances],
    label_space: LabelSpace,
    *,
    max_detections: int = 100,
    rule: ObjectRule = DEFAULT_RULE,
) -> ObjectScores:
    """Score the predicted objects of a set of pictures.

    Args:
        truths: annotated objects of each picture.
        predictions: all predicted objects of each picture; AP needs those with low scores as well.
        label_space: the classes of the objects, without background.
        max_detections: the number of best predictions per class and picture that AP counts. COCO's 100 limits AP where
            pictures hold more objects.
        rule: predictions with a lower score are left out of TP, FP, FN and PQ; predictions with fewer pixels are left
            out of all figures. Predictions without scores always count.

    Raises:
        SettingError: there is not one prediction per picture, or a label is no class.
    """
    if len(truths) != len(predictions):
        raise SettingError(
            f"{counted(len(truths), 'picture')} with objects but {counted(len(predictions), 'prediction')}; "
            "give one a picture"
        )
    pictures = [
        compare_objects(truth, prediction, len(label_space))
        for truth, prediction in zip(truths, predictions, strict=True)
    ]
    return score_pictures(pictures, label_space, max_detections=max_detections, rule=rule)


def score_pictures(
    pictures: Sequence[Compared],
    label_space: LabelSpace,
    *,
    max_detections: int = 100,
    rule: ObjectRule = DEFAULT_RULE,
) -> ObjectScores:
    """Score pictures that were compared one by one; see :func:`score_objects`.

    Args:
        pictures: what :func:`~pixelwise.metrics.compared.compare_objects` gave, in any order.
        label_space: the classes of the objects.
        max_detections: as there.
        rule: as there.

    Raises:
        SettingError: there are no pictures.
    """
    if not pictures:
        raise SettingError("there are no pictures whose objects could be scored")
    classes = len(label_space)
    pictures = [picture.without_small(rule.min_area) for picture in pictures]
    masks = all(picture.overlaps.mask is not None for picture in pictures)
    box = average_precision(pictures, classes, "box", max_detections=max_detections)
    counts = np.zeros((len(pictures), len(IOU_THRESHOLDS), classes, 3), np.int64)
    iou_sums = np.zeros(classes)
    for picture, own in zip(pictures, counts, strict=True):
        _count(picture, rule.score, own, iou_sums)
    alone = counts.sum(2)  # (pictures, 10, 3)
    ratios = _ratio(alone[..., 0], alone.sum(-1))
    return ObjectScores(
        label_space.names,
        "mask" if masks else "box",
        images=len(pictures),
        objects=sum(int((~picture.crowd).sum()) for picture in pictures),
        detections=sum(len(picture.scores) for picture in pictures),
        counted=rule,
        headline=average_precision(pictures, classes, "mask", max_detections=max_detections) if masks else box,
        box=box,
        boundary=average_precision(pictures, classes, "boundary", max_detections=max_detections) if masks else None,
        counts=counts.sum(0),
        iou_sums=iou_sums,
        by_picture=np.array([mean(ratios[:, place]) for place in range(len(IOU_THRESHOLDS))]),
    )


def _count(picture: Compared, threshold: float, counts: NDArray[np.int64], iou_sums: NDArray[np.float64]) -> None:
    """Add objects found, predictions that are wrong, and objects missed, to (10, K, 3), and the IoUs at 0.5 to (K,)."""
    for place, iou in enumerate(IOU_THRESHOLDS):
        match = match_compared(picture, iou, threshold=threshold)
        np.add.at(counts[place, :, 0], picture.labels[match.found[:, 0]], 1)
        np.add.at(counts[place, :, 1], picture.predicted[match.wrong], 1)
        np.add.at(counts[place, :, 2], picture.labels[match.missed], 1)
        if place == 0:
            np.add.at(iou_sums, picture.labels[match.found[:, 0]], match.ious)


def _ratio(over: NDArray[Any], under: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; NaN where there is nothing to divide by."""
    ratios: NDArray[np.float64] = np.divide(over, under, out=np.full(np.shape(over), np.nan), where=under > 0)
    return ratios


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
