"""The judge for objects: AP and related scores, for networks that find objects or give every pixel a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.targets import ignoring, paint_classes
from pixelwise.errors import DataError, SettingError
from pixelwise.inference.pictures import as_rgb, decode_picture
from pixelwise.inference.prediction import Prediction
from pixelwise.inference.predictor import Predictor
from pixelwise.instances import Instances, ObjectRule, Size
from pixelwise.io.images import DecodedPicture
from pixelwise.io.on_data import ignoring_objects
from pixelwise.metrics.choice import choose_min_area, choose_score
from pixelwise.metrics.compared import Compared, compare_objects
from pixelwise.metrics.intervals import Intervals, pixel_intervals
from pixelwise.metrics.matching import match_compared
from pixelwise.metrics.object_intervals import OBJECT_RESAMPLES, object_intervals
from pixelwise.metrics.objects import score_pictures
from pixelwise.metrics.overlaps import has_masks
from pixelwise.metrics.pixel_details import PictureDetails, PixelDetails
from pixelwise.metrics.scores import Scores
from pixelwise.ops.counting import count_labels
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import EXAMPLE_SIDE, Example
from pixelwise.scoring.keeping import Budget, PackedConfidence
from pixelwise.scoring.object_drawing import draw_objects
from pixelwise.scoring.object_tables import PictureObjects, object_evaluation
from pixelwise.types import LabelArray, LabelSpace, object_space

COCO_DETECTIONS = 100
"""The predictions per class and picture that AP counts, as COCO does; all of them, where a picture has more."""


@dataclass(frozen=True, eq=False)
class ObjectComparison:
    """The predicted and the annotated objects of one picture, compared before it is decided what counts as an object.

    Args:
        id: the picture's path relative to its data set.
        size: height and width in pixels.
        objects: their comparison.
        pixels: int64 (K, K), classes of the pixels by ``[target, prediction]``, where these are known of both.
        found: the prediction, if it was kept.
        details: what the scores of pixels need besides counts, where the pixels are known.
        confidence: the probabilities of the labels, where they are known and were kept.
    """

    id: str
    size: Size
    objects: Compared
    pixels: NDArray[np.int64] | None = None
    found: Instances | None = None
    details: PictureDetails | None = None
    confidence: PackedConfidence | None = None


@dataclass(frozen=True, eq=False)
class AnnotatedPicture:
    """A picture, in the form that a model takes, with its objects; those where it holds no data count as groups."""

    id: str
    decoded: DecodedPicture
    truth: Instances


class ObjectJudge:
    """Compares objects with annotated ones; see :class:`pixelwise.scoring.judge.Judge`.

    The objects of a network that gives every pixel a class are the connected parts of its classes; its classes are
    scored as well.

    Args:
        predictor: the model.
        label_space: what the labels of the annotated objects mean; a background in it is none of their classes.
        rule: what counts as an object, in TP, FP, FN and PQ; None: what the model counts.
        paint: whether the classes of pixels of a network that finds objects are scored, too: what it counts as objects
            is painted as annotated objects are, see :func:`pixelwise.data.targets.paint_classes`.

    Raises:
        SettingError: the label space has other classes than the model.
    """

    def __init__(
        self, predictor: Predictor, label_space: LabelSpace, *, rule: ObjectRule | None = None, paint: bool = False
    ) -> None:
        self.object_space = object_space(label_space)
        known = object_space(predictor.label_space)
        if self.object_space.names != known.names:
            raise SettingError(
                f"the objects are read as {', '.join(self.object_space.names)}, but the model knows "
                f"{', '.join(known.names)}; open the data with the label space of the model"
            )
        self.predictor = predictor
        self.label_space = label_space
        self.rule = predictor.rule if rule is None else rule
        self.paint = paint
        self._budget = Budget()

    def read(self, pair: Pair) -> AnnotatedPicture:
        """Read a picture with its objects.

        Raises:
            DataError: a file is missing or cannot be read, no objects are annotated, or the sizes differ.
        """
        if pair.objects is None:
            raise DataError(
                f"{pair.image}: there are no objects to score against; annotate them, or leave the picture out"
            )
        decoded = decode_picture(Path(pair.image), self.predictor.preprocessing)
        truth = pair.objects.read()
        if tuple(truth.size) != decoded.size:
            raise DataError(
                f"{pair.image}: the picture is {decoded.size[0]}x{decoded.size[1]} but its objects lie on "
                f"{truth.size[0]}x{truth.size[1]} (height x width); correct the annotation"
            )
        return AnnotatedPicture(pair.id, decoded, ignoring_objects(truth, decoded.valid))

    def compare(self, reading: AnnotatedPicture) -> ObjectComparison:
        """Find the objects of the picture and compare them with the annotated ones."""
        truth, prediction = reading.truth, self._predict(reading.decoded)
        found = prediction.every_object()
        pixels = details = confidence = None
        labels = self._classes_of_pixels(prediction) if has_masks(truth) else None
        if labels is not None:
            target = ignoring(paint_classes(truth, prediction.label_space), prediction.valid, prediction.label_space)
            pixels = count_labels(target, labels, prediction.label_space)
            softmax = prediction.probabilities
            confidence = None if softmax is None else softmax.max(0)
            details = PictureDetails.of(target, labels, prediction.label_space, confidence)
        return ObjectComparison(
            reading.id,
            (truth.size[0], truth.size[1]),
            compare_objects(truth, found, len(self.object_space)),
            pixels,
            self._budget.objects(found),
            details,
            self._budget.confidence(confidence),
        )

    def settled(self, compared: Sequence[ObjectComparison]) -> ObjectJudge:
        """Give a judge with the rule that scores best on these pictures; see :mod:`pixelwise.metrics.choice`."""
        objects = [picture.objects for picture in compared]
        if self.predictor.finds_objects:
            rule = replace(self.rule, score=choose_score(objects, self.rule.score))
        else:  # objects that are parts of classes are chosen by their area
            rule = replace(self.rule, min_area=choose_min_area(objects, self.rule.min_area))
        return ObjectJudge(self.predictor, self.label_space, rule=rule, paint=self.paint)

    def summarise(self, compared: Sequence[ObjectComparison]) -> Evaluation:
        """Score the set.

        AP counts the best 100 predictions of a class on a picture, as COCO does, or all where some picture has more.
        """
        most = max(COCO_DETECTIONS, *(len(picture.objects.scores) for picture in compared))
        scores = score_pictures(
            [picture.objects for picture in compared], self.object_space, max_detections=most, rule=self.rule
        )
        counts = [picture.pixels for picture in compared if picture.pixels is not None]
        # Pictures with boxes only have no classes of pixels, and then scores of the set's pixels have no meaning.
        known = len(counts) == len(compared)
        pixels = self._score_pixels(counts, compared) if known else None
        alone = tuple(
            PictureObjects.of(
                picture.id,
                picture.size,
                objects,
                match_compared(objects, threshold=self.rule.score),
                Scores.from_counts(counts[place], self.predictor.label_space).miou if known else math.nan,
                len(self.object_space),
            )
            for place, picture in enumerate(compared)
            for objects in (picture.objects.without_small(self.rule.min_area),)
        )
        space = self.predictor.label_space
        detailed = [picture.details for picture in compared if picture.details is not None]
        details = PixelDetails(space.names, counts, detailed) if known and len(detailed) == len(compared) else None
        found = object_intervals([picture.objects for picture in compared], scores)
        intervals = Intervals(len(compared), found, resamples=OBJECT_RESAMPLES)
        if known:
            others = None if details is None else details.sums
            of_pixels = pixel_intervals(counts, space.names, others, resamples=OBJECT_RESAMPLES)
            intervals = replace(of_pixels, figures={**of_pixels.figures, **found})
        return object_evaluation(scores, alone, self.object_space, pixels, details, intervals)

    def draw(
        self,
        pair: Pair,
        compared: ObjectComparison,
        *,
        group: str = "",
        focus: int | None = None,
        longest: int = EXAMPLE_SIDE,
    ) -> Example:
        """Draw a picture beside its annotated and its predicted objects, and the outcome of each; as the protocol."""
        reading = self.read(pair)
        confidence = None if compared.confidence is None else compared.confidence.unpack()
        found = self._predict(reading.decoded).every_object() if compared.found is None else compared.found
        objects = compared.objects.without_small(self.rule.min_area)
        return draw_objects(
            pair.id,
            as_rgb(reading.decoded.image),
            reading.truth,
            found[found.areas >= self.rule.min_area] if self.rule.min_area else found,
            self.object_space,
            threshold=self.rule.score,
            caption=self._describe(objects, focus),
            group=group,
            focus=focus,
            longest=longest,
            confidence=confidence,
        )

    def _describe(self, objects: Compared, focus: int | None) -> str:
        """Put the outcomes of the objects of a picture, or of one class on it, into words."""
        match = match_compared(objects, threshold=self.rule.score)
        if focus is None:
            found, missed, wrong = len(match.found), len(match.missed), len(match.wrong)
            score = f"TP / (TP + FP + FN) {match.score:.3f} · "
        else:
            labels, predicted, score = objects.labels, objects.predicted, f"{self.object_space.names[focus]}: "
            found = int((labels[match.found[:, 0]] == focus).sum())
            missed, wrong = int((labels[match.missed] == focus).sum()), int((predicted[match.wrong] == focus).sum())
        return f"{score}{found} found · {missed} missed · {wrong} wrong"

    def _classes_of_pixels(self, prediction: Prediction) -> LabelArray | None:
        """Give the predicted class of every pixel (H, W); None where there is none to score."""
        space = prediction.label_space
        if space.background is None:
            return None
        if not self.predictor.finds_objects:
            return prediction.labels
        accepted = prediction.accepted
        return paint_classes(accepted, space) if self.paint and has_masks(accepted) else None

    def _predict(self, decoded: DecodedPicture) -> Prediction:
        """Predict a picture with scores for its objects: those of parts of classes come from probabilities."""
        return self.predictor(decoded, probabilities=not self.predictor.finds_objects)

    def _score_pixels(self, counts: Sequence[NDArray[np.int64]], compared: Sequence[ObjectComparison]) -> Scores:
        total = np.sum(counts, axis=0)
        seen = sum(math.prod(picture.size) for picture in compared)
        return Scores.from_counts(
            total, self.predictor.label_space, images=len(compared), ignored_pixels=seen - int(total.sum())
        )
