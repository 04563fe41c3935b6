"""Pictures for the report: what was seen, what is true, what was predicted, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.source import Pair
from pixelwise.evaluation import Evaluation, read_pair
from pixelwise.inference.drawing.overlay import paint
from pixelwise.inference.pictures import as_rgb
from pixelwise.inference.predictor import Predictor
from pixelwise.object_evaluation import ObjectEvaluation
from pixelwise.report.example import Example, choose
from pixelwise.report.object_examples import make_object_examples
from pixelwise.types import LabelSpace

WRONG = (229, 57, 53)
IGNORED = (96, 125, 158)


def make_example(
    id: str,
    image: NDArray[np.uint8],
    mask: NDArray[np.integer[Any]],
    labels: NDArray[np.integer[Any]],
    label_space: LabelSpace,
    *,
    caption: str = "",
    group: str = "",
    longest: int = 640,
) -> Example:
    """Paint a picture for the report.

    Args:
        id: what to call the picture.
        image: uint8 (H, W, 3), RGB.
        mask: (H, W) true class indices and ignore values.
        labels: (H, W) predicted class indices.
        label_space: gives the colours.
        caption: figures to print below.
        group: heading that it stands under.
        longest: longer side in pixels that larger pictures are reduced to.
    """
    image, mask, labels = _reduced(image, mask, labels, longest)
    ignored = mask == label_space.ignore_index
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    errors = np.asarray(cv2.addWeighted(grey, 0.55, np.full_like(grey, 255), 0.45, 0), np.uint8)
    errors[(labels != mask) & ~ignored] = WRONG
    errors[ignored] = (0.45 * errors[ignored] + 0.55 * np.array(IGNORED)).astype(np.uint8)
    return Example(
        id,
        caption,
        group,
        image,
        truth=paint(image, mask, label_space, alpha=0.6),
        prediction=paint(image, labels, label_space, alpha=0.6),
        errors=errors,
    )


def make_examples(
    predictor: Predictor, pairs: Sequence[Pair], evaluation: Evaluation | ObjectEvaluation, *, each: int = 2
) -> tuple[Example, ...]:
    """Paint the worst, the median and the best pictures of an evaluation, ``each`` of them.

    Ranked by their mIoU, or by TP / (TP + FP + FN) where objects were evaluated.
    """
    if isinstance(evaluation, ObjectEvaluation):
        return make_object_examples(predictor, pairs, evaluation, each=each)
    by_id = {pair.id: pair for pair in pairs}
    examples = []
    for group, scores in choose(evaluation.ranked(), each):
        for score in scores:
            sample = read_pair(by_id[score.id], predictor.label_space, predictor.preprocessing)
            assert sample.mask is not None
            labels = predictor(sample.image.transpose(1, 2, 0)).labels
            caption = f"mIoU {score.miou:.3f} · pixel accuracy {score.pixel_accuracy:.3f}"
            examples.append(
                make_example(
                    score.id,
                    as_rgb(sample.image),
                    sample.mask,
                    labels,
                    predictor.label_space,
                    caption=caption,
                    group=group,
                )
            )
    return tuple(examples)


def _reduced(
    image: NDArray[np.uint8], mask: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]], longest: int
) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Bring all three to the size they are shown at, before outlines are drawn, so that these stay visible."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return image, mask, labels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    rows = (np.arange(size[1]) + 0.5) / factor
    columns = (np.arange(size[0]) + 0.5) / factor
    nearest = np.ix_(rows.astype(int).clip(max=height - 1), columns.astype(int).clip(max=width - 1))
    return small, mask[nearest], labels[nearest]
