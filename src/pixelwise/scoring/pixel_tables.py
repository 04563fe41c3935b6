"""Putting scores of pixels into figures and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.metrics.intervals import Intervals, pixel_intervals
from pixelwise.metrics.pixel_details import PixelDetails
from pixelwise.metrics.scores import Scores
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.pixel_comparison import PixelComparison
from pixelwise.scoring.tables import Column, Figure, Row, ScoreTable, describe_interval
from pixelwise.types import LabelSpace

DETAIL_NAMES = {
    "picture_iou": "IoU by picture",
    "boundary_iou": "Boundary IoU",
    "boundary_f1": "boundary F1",
    "ece": "calibration error",
}
"""Names of figures in JSON -> their names for people."""


def pixel_evaluation(scores: Scores, compared: Sequence[PixelComparison], label_space: LabelSpace) -> Evaluation:
    """Put the scores of a set, and those of its pictures, into tables.

    Args:
        scores: the scores of the set.
        compared: its pictures; may be none.
        label_space: the classes, with their colours.
    """
    alone = [Scores.from_counts(picture.counts, label_space) for picture in compared]
    counts = [picture.counts for picture in compared]
    detailed = [picture.details for picture in compared if picture.details is not None]
    details = PixelDetails(scores.names, counts, detailed) if compared and len(detailed) == len(compared) else None
    intervals = pixel_intervals(counts, label_space.names, None if details is None else details.sums)
    between = intervals.figures.get
    pictures = ScoreTable(
        (
            Column("id", "text"),
            *(Column(name, "count", brief=False) for name in ("height", "width")),
            *(Column(name) for name in ("miou", "pixel_accuracy")),
            *(Column(f"{what} {name}", brief=False) for what in ("iou", "accuracy") for name in label_space.names),
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
        headline=Figure("mIoU", scores.miou, between("miou")),
        figures=(
            Figure("pixel accuracy", scores.pixel_accuracy, between("pixel_accuracy")),
            Figure("mean accuracy", scores.mean_accuracy, between("mean_accuracy")),
            Figure("Dice", scores.dice, between("dice")),
            Figure("frequency-weighted IoU", scores.frequency_weighted_iou, between("frequency_weighted_iou")),
            *detail_figures(details, intervals),
            Figure("pictures", scores.images),
            Figure("ignored pixels", scores.ignored_pixels),
        ),
        classes=_class_table(scores, label_space, intervals),
        pictures=pictures,
        measure=("miou", "mIoU"),
        ranking=tuple(sorted(scored, key=lambda place: (alone[place].miou, compared[place].id))),
        rule=scores.rule,
        pixels=scores,
        details=details,
        intervals=intervals if compared else None,
        class_ranking=_class_ranking(compared, label_space),
    )


def _class_ranking(compared: Sequence[PixelComparison], label_space: LabelSpace) -> dict[str, tuple[int, ...]]:
    """Rank the pictures of each class by the pixels of it that were missed or wrongly taken for it."""
    if not compared:
        return {}
    counts = np.stack([picture.counts for picture in compared])  # (N, K, K)
    errors = counts.sum(1) + counts.sum(2) - 2 * np.diagonal(counts, axis1=1, axis2=2)  # (N, K)
    return {name: rank_errors(errors[:, index]) for index, name in enumerate(label_space.names)}


def rank_errors(errors: NDArray[np.integer[Any]]) -> tuple[int, ...]:
    """Give the numbers of the pictures that have errors, those with the most first."""
    order = np.argsort(-errors, kind="stable")
    return tuple(order[errors[order] > 0].tolist())


def detail_figures(details: PixelDetails | None, intervals: Intervals) -> tuple[Figure, ...]:
    """Give the figures that need more than confusion counts, without undefined ones."""
    if details is None:
        return ()
    figures = (Figure(DETAIL_NAMES[key], value, intervals.figures.get(key)) for key, value in details.figures.items())
    return tuple(figure for figure in figures if figure.defined)


def _class_table(scores: Scores, label_space: LabelSpace, intervals: Intervals) -> ScoreTable:
    total = max(1, int(scores.counts.sum()))
    columns = (
        Column("class", "text"),
        Column("IoU"),
        Column("95%", "text"),
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
            describe_interval(intervals.class_iou.get(name)),
            float(scores.class_dice[index]),
            float(scores.class_accuracy[index]),
            float(scores.class_precision[index]),
            float(scores.target_pixels[index]) / total,
        )
        rows.append(Row(cells, label_space.colors[index], absent=math.isnan(iou)))
    note = (
        "Accuracy is the share of a class's pixels that were found, precision the share of what was taken for the "
        "class that is it, and 95% the interval of the IoU. A dash: the class does not occur."
    )
    return ScoreTable(columns, tuple(rows), note)
