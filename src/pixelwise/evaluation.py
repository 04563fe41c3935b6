"""Scoring a model on pictures with masks: of the whole set, and of each picture."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.targets import read_target
from pixelwise.errors import SettingError
from pixelwise.inference.halo import WINDOWS, choose_halo
from pixelwise.inference.pictures import as_image
from pixelwise.inference.predictor import Predictor
from pixelwise.inference.runtimes.base import Runtime
from pixelwise.io.ahead import read_ahead
from pixelwise.io.atomic import atomic_path
from pixelwise.metrics.scores import Scores
from pixelwise.types import LabelSpace, Preprocessing, Sample


@dataclass(frozen=True, eq=False)
class PictureScore:
    """Scores of one picture, by the definitions of :class:`pixelwise.metrics.scores.Scores` on it alone.

    Args:
        id: the picture's path relative to its data set.
        size: height and width in pixels.
        miou: mean IoU over the classes in its mask or prediction; NaN where every pixel is ignored.
        pixel_accuracy: share of its counted pixels that are right, likewise.
        iou: float64 (K,), NaN for a class in neither mask nor prediction.
        accuracy: float64 (K,), share of each class's pixels that are found; NaN for a class not in the mask.
    """

    id: str
    size: tuple[int, int]
    miou: float
    pixel_accuracy: float
    iou: NDArray[np.float64]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a set of pictures.

    Args:
        scores: of the whole set, all pixels counted together.
        pictures: of each picture, in the order given.
    """

    scores: Scores
    pictures: tuple[PictureScore, ...]

    def ranked(self) -> list[PictureScore]:
        """Pictures from the worst mIoU to the best; those that are all ignored have no place."""
        scored = [picture for picture in self.pictures if not math.isnan(picture.miou)]
        return sorted(scored, key=lambda picture: (picture.miou, picture.id))

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores of the set in plain JSON types."""
        return self.scores.to_dict()

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row a picture: size, mIoU, pixel accuracy, then IoU and accuracy of each class.

        A cell is empty where a figure is not defined. The file appears whole or not at all.

        Raises:
            PixelwiseError: the file cannot be written.
        """
        names = self.scores.names
        header = ["id", "height", "width", "miou", "pixel_accuracy"]
        header += [f"iou {name}" for name in names] + [f"accuracy {name}" for name in names]
        with atomic_path(path) as beside, beside.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(header)
            for picture in self.pictures:
                figures = [picture.miou, picture.pixel_accuracy, *picture.iou, *picture.accuracy]
                cells = ["" if math.isnan(figure) else f"{figure:.6f}" for figure in figures]
                writer.writerow([picture.id, *picture.size, *cells])


def evaluate(
    predictor: Predictor,
    pairs: Sequence[Pair],
    label_space: LabelSpace,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a model on pictures with masks, each at its own size, a few in memory at a time.

    Args:
        predictor: the model.
        pairs: pictures with masks.
        label_space: how the masks are to be read; has the classes of the model.
        progress: called with the pictures done and the pictures in all, after each.

    Raises:
        SettingError: there are no pairs, or the label space has other classes than the model.
        DataError: a picture or a mask is missing or cannot be used.
    """
    if not pairs:
        raise SettingError("there are no pictures to score")
    if label_space.names != predictor.label_space.names:
        raise SettingError(
            f"the masks are read as {', '.join(label_space.names)}, but the model knows "
            f"{', '.join(predictor.label_space.names)}; open the data with the label space of the model"
        )
    pictures = []
    counts = np.zeros((len(label_space), len(label_space)), np.int64)
    ignored = 0
    for reading in read_ahead(lambda pair: read_pair(pair, label_space, predictor.preprocessing), pairs):
        sample = reading.result()
        assert sample.mask is not None
        own = predictor.confusion(sample.image.transpose(1, 2, 0), sample.mask)
        counts += own
        ignored += sample.mask.size - int(own.sum())
        scores = Scores.from_counts(own, label_space)
        pictures.append(
            PictureScore(
                sample.id, sample.size, scores.miou, scores.pixel_accuracy, scores.class_iou, scores.class_accuracy
            )
        )
        if progress is not None:
            progress(len(pictures), len(pairs))
    total = Scores.from_counts(counts, label_space, images=len(pictures), ignored_pixels=ignored)
    return Evaluation(total, tuple(pictures))


def measure_halo(
    predictor: Predictor,
    pairs: Sequence[Pair],
    label_space: LabelSpace,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Measure how many pixels around a tile a network that labels pixels needs: see :func:`choose_halo`.

    Args:
        predictor: the model.
        pairs: pictures with masks, of which a few are read, spread evenly.
        label_space: how the masks are to be read.
        progress: called with the pictures done and the pictures looked at, after each.

    Raises:
        SettingError: there are no pairs, or the network finds objects, whose tiles overlap by what objects measure.
        DataError: a picture or a mask is missing or cannot be used.
    """
    if predictor.finds_objects:
        raise SettingError("a network that finds objects has no halo to measure: it follows from the size of objects")
    if not pairs:
        raise SettingError("there are no pictures to measure the halo of tiles on")
    some = pairs[:: math.ceil(len(pairs) / WINDOWS)]
    return choose_halo(
        cast(Runtime, predictor.runtime),
        (read_pair(pair, label_space, predictor.preprocessing) for pair in some),
        windows=math.ceil(WINDOWS / len(some)),
        progress=None if progress is None else lambda done: progress(done, len(some)),
    )


def read_pair(pair: Pair, label_space: LabelSpace, preprocessing: Preprocessing) -> Sample:
    """Read a picture with its mask, as a model sees them.

    Raises:
        DataError: a file is missing or cannot be read, the sizes differ, or the mask holds an unknown value.
    """
    mask = read_target(pair, label_space)
    return Sample(as_image(Path(pair.image), preprocessing), mask, pair.id)
