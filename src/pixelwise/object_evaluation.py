"""Scoring a model on pictures with annotated objects, whether it finds objects or gives every pixel a class."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.targets import paint_objects
from pixelwise.errors import DataError, SettingError
from pixelwise.inference.pictures import as_image
from pixelwise.inference.prediction import Prediction
from pixelwise.inference.predictor import Predictor
from pixelwise.instances import Instances, Size
from pixelwise.io.ahead import read_ahead
from pixelwise.io.atomic import atomic_path
from pixelwise.metrics.matching import SHOWN
from pixelwise.metrics.objects import ObjectScores, PictureObjects, compare_objects, score_pictures
from pixelwise.metrics.overlaps import has_masks
from pixelwise.metrics.scores import Scores
from pixelwise.ops import confusion_counts
from pixelwise.types import LabelSpace, Preprocessing, object_space

COCO_DETECTIONS = 100
"""Predictions of a class on a picture that AP counts at least, as COCO does; all, where a picture has more."""


@dataclass(frozen=True, eq=False)
class ObjectPictureScore:
    """Objects of one picture found, made up and missed, by the rules of the whole set's figures at IoU 0.5.

    Args:
        id: the picture's path relative to its data set.
        size: height and width in pixels.
        objects: how many annotated objects it has, without crowds.
        tp: objects found.
        fp: predictions that are no object.
        fn: objects missed.
        mean_iou: of the objects found; NaN where there are none.
        miou: mean IoU of the classes of pixels; NaN for a network that finds objects.
    """

    id: str
    size: Size
    objects: int
    tp: int
    fp: int
    fn: int
    mean_iou: float
    miou: float = math.nan

    @property
    def score(self) -> float:
        """TP / (TP + FP + FN); NaN where nothing is there and nothing was predicted."""
        counted = self.tp + self.fp + self.fn
        return self.tp / counted if counted else math.nan


@dataclass(frozen=True, eq=False)
class ObjectEvaluation:
    """Scores of a set of pictures with objects.

    Args:
        scores: of the whole set.
        pictures: of each picture, in the order given.
        semantic: of the classes of pixels, for a network that gives these; else None.
    """

    scores: ObjectScores
    pictures: tuple[ObjectPictureScore, ...]
    semantic: Scores | None = None

    def ranked(self) -> list[ObjectPictureScore]:
        """Pictures from the worst TP / (TP + FP + FN) to the best, of equal ones that with more mistakes first.

        Those without objects and predictions have no place.
        """
        scored = [picture for picture in self.pictures if not math.isnan(picture.score)]
        return sorted(scored, key=lambda picture: (picture.score, -picture.fp - picture.fn, picture.id))

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores in plain JSON types; those of pixels and of objects have keys of their own."""
        return (self.semantic.to_dict() if self.semantic else {}) | self.scores.to_dict()

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row a picture; a cell is empty where a figure is not defined. The file appears whole or not at all.

        Raises:
            PixelwiseError: the file cannot be written.
        """
        header = ["id", "height", "width", "objects", "tp", "fp", "fn", "tp_fp_fn", "mean_iou"]
        with atomic_path(path) as beside, beside.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(header + ["miou"] * (self.semantic is not None))
            for picture in self.pictures:
                counts = [picture.objects, picture.tp, picture.fp, picture.fn]
                figures = [picture.score, picture.mean_iou] + [picture.miou] * (self.semantic is not None)
                cells = ["" if math.isnan(figure) else f"{figure:.6f}" for figure in figures]
                writer.writerow([picture.id, *picture.size, *counts, *cells])


def evaluate_objects(
    predictor: Predictor,
    pairs: Sequence[Pair],
    label_space: LabelSpace,
    *,
    threshold: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ObjectEvaluation:
    """Score a model on pictures with objects, each at its own size, a few in memory at a time.

    Of a network that gives every pixel a class, the connected parts of the classes are the objects, and the classes
    are scored besides. AP counts the best 100 predictions of a class on a picture, as COCO does, or all of them where
    the model gives more on some picture.

    Args:
        predictor: the model.
        pairs: pictures with objects.
        label_space: what the labels of the annotated objects mean; a background in it is none of their classes.
        threshold: predictions with a lower score are left out of TP, FP, FN and PQ. None: 0.5 for a network that finds
            objects; 0 for one that labels pixels, whose objects have been decided on by the classes of their pixels.
        progress: called with the pictures done and the pictures in all, after each.

    Raises:
        SettingError: there are no pairs, or the label space has other classes than the model.
        DataError: a picture or its annotation is missing or cannot be used.
    """
    if not pairs:
        raise SettingError("there are no pictures to score")
    space = object_space(label_space)
    known = object_space(predictor.label_space)
    if space.names != known.names:
        raise SettingError(
            f"the objects are read as {', '.join(space.names)}, but the model knows {', '.join(known.names)}; open the "
            "data with the label space of the model"
        )
    if threshold is None:
        threshold = SHOWN if predictor.finds_objects else 0.0
    compared: list[PictureObjects] = []
    pictures: list[ObjectPictureScore] = []
    counts: list[NDArray[np.int64]] = []
    pixels = 0
    readings = read_ahead(lambda one: read_objects(one, predictor.preprocessing), pairs)
    for pair, reading in zip(pairs, readings, strict=True):
        image, truth = reading.result()
        prediction = predict_objects(predictor, image)
        compared.append(compare_objects(truth, prediction.objects(), len(space), threshold=threshold))
        miou = math.nan
        if not predictor.finds_objects and prediction.label_space.background is not None and has_masks(truth):
            counts.append(_count_pixels(prediction, truth))
            pixels += prediction.labels.size
            miou = Scores.from_counts(counts[-1], prediction.label_space).miou
        pictures.append(_picture_score(pair.id, truth, compared[-1], miou))
        if progress is not None:
            progress(len(pictures), len(pairs))
    most = max(COCO_DETECTIONS, *(len(picture.compared.scores) for picture in compared))
    scores = score_pictures(compared, space, max_detections=most, threshold=threshold)
    semantic = None
    if counts:
        total = np.stack(counts).sum(0)
        semantic = Scores.from_counts(
            total, prediction.label_space, images=len(counts), ignored_pixels=pixels - int(total.sum())
        )
    return ObjectEvaluation(scores, tuple(pictures), semantic)


def predict_objects(predictor: Predictor, image: NDArray[np.uint8]) -> Prediction:
    """Predict a picture (C, H, W) with what ranks its objects: parts of classes get scores from probabilities."""
    return predictor(image.transpose(1, 2, 0), probabilities=not predictor.finds_objects)


def read_objects(pair: Pair, preprocessing: Preprocessing) -> tuple[NDArray[np.uint8], Instances]:
    """Read a picture uint8 (C, H, W), as a model sees it, with its objects.

    Raises:
        DataError: a file is missing or cannot be read, no objects are annotated, or the sizes differ.
    """
    if pair.objects is None:
        raise DataError(f"{pair.image}: there are no objects to score against; annotate them, or leave the picture out")
    image = as_image(Path(pair.image), preprocessing)
    objects = pair.objects.read()
    if tuple(objects.size) != image.shape[1:]:
        raise DataError(
            f"{pair.image}: the picture is {image.shape[1]}x{image.shape[2]} but its objects lie on "
            f"{objects.size[0]}x{objects.size[1]} (height x width); correct the annotation"
        )
    return image, objects


def _count_pixels(prediction: Prediction, truth: Instances) -> NDArray[np.int64]:
    space = prediction.label_space
    target = paint_objects(truth, space).astype(np.int64)
    counted = confusion_counts(
        torch.from_numpy(target),
        torch.from_numpy(prediction.labels.astype(np.int64)),
        len(space),
        ignore_index=space.ignore_index,
    )
    counts: NDArray[np.int64] = counted.numpy()
    return counts


def _picture_score(id: str, truth: Instances, compared: PictureObjects, miou: float) -> ObjectPictureScore:
    tp, fp, fn = compared.counts[0].sum(0).tolist()
    mean_iou = float(compared.iou_sums.sum()) / tp if tp else math.nan
    objects = int((~truth.is_crowd).sum())
    return ObjectPictureScore(id, (truth.size[0], truth.size[1]), objects, tp, fp, fn, mean_iou, miou)
