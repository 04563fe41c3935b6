"""The judge for pixels: mIoU and related scores over the set and per picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.targets import ignoring, read_target
from pixelwise.errors import SettingError
from pixelwise.inference.pictures import as_rgb, decode_picture
from pixelwise.inference.predictor import Predictor
from pixelwise.instances import Size
from pixelwise.io.images import DecodedPicture
from pixelwise.metrics.scores import Scores
from pixelwise.ops.counting import count_labels
from pixelwise.preprocessing import Preprocessing
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import Example
from pixelwise.scoring.keeping import Budget, PackedLabels
from pixelwise.scoring.pixel_drawing import draw_pixels
from pixelwise.scoring.tables import Column, Figure, Row, ScoreTable
from pixelwise.types import LabelSpace, Sample


@dataclass(frozen=True, eq=False)
class PixelComparison:
    """The comparison of one picture's labels with its mask.

    Args:
        id: the picture's path relative to its data set.
        size: height and width in pixels.
        counts: int64 (K, K), pixels by ``[target, prediction]``.
        labels: the predicted labels, if they were kept.
    """

    id: str
    size: Size
    counts: NDArray[np.int64]
    labels: PackedLabels | None = None


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
        labels = self._label(reading)
        return PixelComparison(
            reading.id, reading.size, count_labels(reading.mask, labels, self.label_space), self._budget.labels(labels)
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

    def draw(self, pair: Pair, compared: PixelComparison, *, group: str) -> Example:
        """Draw a picture beside its mask, its labels, and the pixels where the two differ."""
        sample = self.read(pair)
        assert sample.mask is not None
        labels = self._label(sample) if compared.labels is None else compared.labels.unpack()
        scores = Scores.from_counts(compared.counts, self.label_space)
        caption = f"mIoU {scores.miou:.3f} · pixel accuracy {scores.pixel_accuracy:.3f}"
        return draw_pixels(
            pair.id, as_rgb(sample.image), sample.mask, labels, self.label_space, caption=caption, group=group
        )

    def _label(self, sample: Sample) -> NDArray[np.integer]:
        return self.predictor(DecodedPicture(sample.image)).labels


def read_pair(pair: Pair, label_space: LabelSpace, preprocessing: Preprocessing) -> Sample:
    """Read a picture with its mask in the form that a model takes; the mask is ignored where the picture holds no data.

    Raises:
        DataError: a file is missing or cannot be read, the sizes differ, or the mask holds an unknown value.
    """
    decoded = decode_picture(Path(pair.image), preprocessing)
    mask = ignoring(read_target(pair, label_space), decoded.valid, label_space)
    return Sample(decoded.image, mask, pair.id)


def pixel_evaluation(scores: Scores, compared: Sequence[PixelComparison], label_space: LabelSpace) -> Evaluation:
    """Put the scores of a set, and those of its pictures, into tables.

    Args:
        scores: the scores of the set.
        compared: its pictures; may be none.
        label_space: the classes, with their colours.
    """
    alone = [Scores.from_counts(picture.counts, label_space) for picture in compared]
    pictures = ScoreTable(
        (
            Column("id", "text"),
            Column("height", "count"),
            Column("width", "count"),
            *(Column(name) for name in ("miou", "pixel_accuracy")),
            *(Column(f"{what} {name}") for what in ("iou", "accuracy") for name in label_space.names),
        ),
        tuple(
            Row(
                (
                    picture.id,
                    *picture.size,
                    own.miou,
                    own.pixel_accuracy,
                    *own.class_iou.tolist(),
                    *own.class_accuracy.tolist(),
                )
            )
            for picture, own in zip(compared, alone, strict=True)
        ),
    )
    scored = [place for place, own in enumerate(alone) if not math.isnan(own.miou)]
    return Evaluation(
        headline=Figure("mIoU", scores.miou),
        figures=(
            Figure("pixel accuracy", scores.pixel_accuracy),
            Figure("mean accuracy", scores.mean_accuracy),
            Figure("Dice", scores.dice),
            Figure("frequency-weighted IoU", scores.frequency_weighted_iou),
            Figure("pictures", scores.images),
            Figure("ignored pixels", scores.ignored_pixels),
        ),
        classes=_class_table(scores, label_space),
        pictures=pictures,
        measure=("miou", "mIoU"),
        ranking=tuple(sorted(scored, key=lambda place: (alone[place].miou, compared[place].id))),
        rule=scores.rule,
        pixels=scores,
    )


def _class_table(scores: Scores, label_space: LabelSpace) -> ScoreTable:
    total = max(1, int(scores.counts.sum()))
    columns = (
        Column("class", "text"),
        Column("IoU"),
        Column("Dice", brief=False),
        Column("accuracy"),
        Column("precision", brief=False),
        Column("share of pixels", "share"),
    )
    rows = []
    for index, name in enumerate(scores.names):
        iou = float(scores.class_iou[index])
        cells = (
            name,
            iou,
            float(scores.class_dice[index]),
            float(scores.class_accuracy[index]),
            float(scores.class_precision[index]),
            float(scores.target_pixels[index]) / total,
        )
        rows.append(Row(cells, label_space.colors[index], absent=math.isnan(iou)))
    note = (
        "Accuracy is the share of a class's pixels that were found, precision the share of what was taken for the "
        "class that is it. A dash: the class does not occur."
    )
    return ScoreTable(columns, tuple(rows), note)
