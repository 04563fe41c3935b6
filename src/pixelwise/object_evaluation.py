"""Scoring a model on pictures with annotated objects, whether it finds objects or gives every pixel a class."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from pixelwise.instances import Instances, ObjectRule, Size
from pixelwise.io.ahead import read_ahead
from pixelwise.io.atomic import atomic_path
from pixelwise.metrics.choice import choose_min_area, choose_score
from pixelwise.metrics.compared import Compared, compare_objects
from pixelwise.metrics.matching import match_compared
from pixelwise.metrics.objects import ObjectScores, score_pictures
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


@dataclass(frozen=True, eq=False)
class ObjectComparison:
    """Pictures that were predicted and compared with their objects, whatever counts as an object.

    Args:
        label_space: classes of the objects, without background.
        pixel_space: classes of the pixels, where these were compared, too.
        ids: the pictures.
        sizes: height and width of each.
        compared: the objects of each.
        pixels: int64 (K, K) of each, classes of the pixels by ``[target, prediction]``; empty where none were compared.
    """

    label_space: LabelSpace
    pixel_space: LabelSpace
    ids: tuple[str, ...]
    sizes: tuple[Size, ...]
    compared: tuple[Compared, ...]
    pixels: tuple[NDArray[np.int64], ...]

    def chosen_rule(self, rule: ObjectRule, *, ranked: bool) -> ObjectRule:
        """Choose what counts as an object by these pictures; see :mod:`pixelwise.metrics.choice`.

        Args:
            rule: what is taken where there are too few objects to choose by.
            ranked: whether scores decide, as for a network that finds objects, or areas, for parts of classes.
        """
        if ranked:
            return replace(rule, score=choose_score(self.compared, rule.score))
        return replace(rule, min_area=choose_min_area(self.compared, rule.min_area))

    def evaluation(self, rule: ObjectRule) -> ObjectEvaluation:
        """Score the pictures by what counts as an object.

        AP counts the best 100 predictions of a class on a picture, as COCO does, or all where some picture has more.
        """
        most = max(COCO_DETECTIONS, *(len(picture.scores) for picture in self.compared))
        scores = score_pictures(self.compared, self.label_space, max_detections=most, rule=rule)
        pictures, semantic = [], None
        for number, (id, size, picture) in enumerate(zip(self.ids, self.sizes, self.compared, strict=True)):
            miou = Scores.from_counts(self.pixels[number], self.pixel_space).miou if self.pixels else math.nan
            pictures.append(_picture_score(id, size, picture, rule, miou))
        if self.pixels:
            total = np.stack(self.pixels).sum(0)
            seen = sum(height * width for height, width in self.sizes)
            semantic = Scores.from_counts(
                total, self.pixel_space, images=len(self.pixels), ignored_pixels=seen - int(total.sum())
            )
        return ObjectEvaluation(scores, tuple(pictures), semantic)


def evaluate_objects(
    predictor: Predictor,
    pairs: Sequence[Pair],
    label_space: LabelSpace,
    *,
    rule: ObjectRule | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ObjectEvaluation:
    """Score a model on pictures with objects, each at its own size, a few in memory at a time.

    Of a network that gives every pixel a class, the connected parts of the classes are the objects, and the classes
    are scored besides.

    Args:
        predictor: the model.
        pairs: pictures with objects.
        label_space: what the labels of the annotated objects mean; a background in it is none of their classes.
        rule: what counts as an object, in TP, FP, FN and PQ; None: what the model counts.
        progress: called with the pictures done and the pictures in all, after each.

    Raises:
        SettingError: there are no pairs, or the label space has other classes than the model.
        DataError: a picture or its annotation is missing or cannot be used.
    """
    compared = compare_pictures(predictor, pairs, label_space, progress=progress)
    return compared.evaluation(predictor.rule if rule is None else rule)


def compare_pictures(
    predictor: Predictor,
    pairs: Sequence[Pair],
    label_space: LabelSpace,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ObjectComparison:
    """Predict pictures and compare what is found with their objects; see :func:`evaluate_objects`."""
    if not pairs:
        raise SettingError("there are no pictures to score")
    space = object_space(label_space)
    known = object_space(predictor.label_space)
    if space.names != known.names:
        raise SettingError(
            f"the objects are read as {', '.join(space.names)}, but the model knows {', '.join(known.names)}; open the "
            "data with the label space of the model"
        )
    compared: list[Compared] = []
    sizes: list[Size] = []
    pixels: list[NDArray[np.int64]] = []
    readings = read_ahead(lambda one: read_objects(one, predictor.preprocessing), pairs)
    for done, reading in enumerate(readings, 1):
        image, truth = reading.result()
        prediction = predict_objects(predictor, image)
        compared.append(compare_objects(truth, prediction.every_object(), len(space)))
        sizes.append((truth.size[0], truth.size[1]))
        if not predictor.finds_objects and prediction.label_space.background is not None and has_masks(truth):
            pixels.append(_count_pixels(prediction, truth))
        if progress is not None:
            progress(done, len(pairs))
    ids = tuple(pair.id for pair in pairs)
    # Pictures of which only boxes are known have no classes of pixels, and then those of the set have no meaning.
    known_pixels = tuple(pixels) if len(pixels) == len(pairs) else ()
    return ObjectComparison(space, predictor.label_space, ids, tuple(sizes), tuple(compared), known_pixels)


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


def _picture_score(id: str, size: Size, compared: Compared, rule: ObjectRule, miou: float) -> ObjectPictureScore:
    match = match_compared(compared.without_small(rule.min_area), threshold=rule.score)
    tp, fp, fn = len(match.found), len(match.wrong), len(match.missed)
    mean_iou = float(match.ious.mean()) if tp else math.nan
    return ObjectPictureScore(id, size, int((~compared.crowd).sum()), tp, fp, fn, mean_iou, miou)
