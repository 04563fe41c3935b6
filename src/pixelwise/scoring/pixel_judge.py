"""The judge for pixels: mIoU and related scores over the set and per picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.targets import ignoring, read_target
from pixelwise.errors import SettingError
from pixelwise.inference.pictures import as_rgb, decode_picture
from pixelwise.inference.predictor import Predictor
from pixelwise.io.images import DecodedPicture
from pixelwise.metrics.pixel_details import PictureDetails
from pixelwise.metrics.scores import Scores
from pixelwise.ops.counting import count_labels
from pixelwise.preprocessing import Preprocessing
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import EXAMPLE_SIDE, Example
from pixelwise.scoring.keeping import Budget, PackedConfidence
from pixelwise.scoring.pixel_comparison import PixelComparison
from pixelwise.scoring.pixel_drawing import draw_pixels
from pixelwise.scoring.pixel_tables import pixel_evaluation
from pixelwise.types import LabelSpace, Sample
from pixelwise.words import counted


class PixelJudge:
    """Compares labels with masks; see :class:`pixelwise.scoring.judge.Judge`.

    Args:
        predictor: the model.
        label_space: how the masks are to be read; has the classes of the model.

    Raises:
        SettingError: the label space has other classes than the model.
    """

    def __init__(self, predictor: Predictor, label_space: LabelSpace) -> None:
        if label_space.names != predictor.label_space.names:
            raise SettingError(
                f"the masks are read as {', '.join(label_space.names)}, but the model knows "
                f"{', '.join(predictor.label_space.names)}; open the data with the label space of the model"
            )
        self.predictor = predictor
        self.label_space = label_space
        self.rule = predictor.rule
        self._budget = Budget()

    def read(self, pair: Pair) -> Sample:
        """Read a picture with its mask in the form that a model takes; raises as :func:`read_pair`."""
        return read_pair(pair, self.label_space, self.predictor.preprocessing)

    def compare(self, reading: Sample) -> PixelComparison:
        """Label the picture and count its pixels."""
        assert reading.mask is not None
        # A network that finds objects gives no probabilities of pixels.
        prediction = self.predictor(DecodedPicture(reading.image), confidence=not self.predictor.finds_objects)
        labels = prediction.labels
        return PixelComparison(
            reading.id,
            reading.size,
            count_labels(reading.mask, labels, self.label_space),
            self._budget.labels(labels),
            PictureDetails.of(reading.mask, labels, self.label_space, prediction.confidence),
            self._budget.confidence(prediction.confidence),
        )

    def settled(self, compared: Sequence[PixelComparison]) -> PixelJudge:
        """Give the judge itself: counts of pixels do not depend on what counts as an object."""
        return self

    def summarise(self, compared: Sequence[PixelComparison]) -> Evaluation:
        """Score the set, all pixels counted together."""
        total = np.sum([picture.counts for picture in compared], axis=0)
        seen = sum(math.prod(picture.size) for picture in compared)
        scores = Scores.from_counts(
            total, self.label_space, images=len(compared), ignored_pixels=seen - int(total.sum())
        )
        return pixel_evaluation(scores, compared, self.label_space)

    def draw(
        self,
        pair: Pair,
        compared: PixelComparison,
        *,
        group: str = "",
        focus: int | None = None,
        longest: int = EXAMPLE_SIDE,
    ) -> Example:
        """Draw a picture beside its mask, its labels, and the pixels where the two differ; see :meth:`Judge.draw`."""
        sample = self.read(pair)
        assert sample.mask is not None
        labels, confidence = self._label(sample, compared)
        return draw_pixels(
            pair.id,
            as_rgb(sample.image),
            sample.mask,
            labels,
            self.label_space,
            caption=describe_picture(compared.counts, self.label_space, focus),
            group=group,
            longest=longest,
            focus=focus,
            confidence=None if confidence is None else confidence.unpack(),
        )

    def _label(self, sample: Sample, compared: PixelComparison) -> tuple[NDArray[np.integer], PackedConfidence | None]:
        """Give the labels and their probabilities, again if they were not kept."""
        known = compared.details is not None and compared.details.reliability is not None
        if compared.labels is not None and (compared.confidence is not None or not known):
            return compared.labels.unpack(), compared.confidence
        prediction = self.predictor(DecodedPicture(sample.image), confidence=known)
        sure = prediction.confidence
        return prediction.labels, None if sure is None else PackedConfidence.of(sure)


def describe_picture(counts: NDArray[np.int64], label_space: LabelSpace, focus: int | None = None) -> str:
    """Put the figures of a picture, or of one class on it, into words."""
    scores = Scores.from_counts(counts, label_space)
    if focus is None:
        return f"mIoU {scores.miou:.3f} · pixel accuracy {scores.pixel_accuracy:.3f}"
    found = int(counts[focus, focus])
    missed, wrong = int(counts[focus].sum()) - found, int(counts[:, focus].sum()) - found
    return (
        f"IoU of {label_space.names[focus]} {scores.class_iou[focus]:.3f} · {counted(missed, 'pixel')} missed · "
        f"{wrong:,} taken for it"
    )


def read_pair(pair: Pair, label_space: LabelSpace, preprocessing: Preprocessing) -> Sample:
    """Read a picture with its mask in the form that a model takes; the mask is ignored where the picture holds no data.

    Raises:
        DataError: a file is missing or cannot be read, the sizes differ, or the mask holds an unknown value.
    """
    decoded = decode_picture(Path(pair.image), preprocessing)
    mask = ignoring(read_target(pair, label_space), decoded.valid, label_space)
    return Sample(decoded.image, mask, pair.id)
