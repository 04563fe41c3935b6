"""Putting scores of objects into figures and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixelwise.instances import Size
from pixelwise.metrics.bootstrap import Interval
from pixelwise.metrics.compared import Compared
from pixelwise.metrics.intervals import Intervals
from pixelwise.metrics.matching import Match
from pixelwise.metrics.objects import ObjectScores
from pixelwise.metrics.pixel_details import PixelDetails
from pixelwise.metrics.scores import Scores
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.pixel_tables import rank_errors
from pixelwise.scoring.tables import Column, Figure, Row, ScoreTable
from pixelwise.types import LabelSpace


@dataclass(frozen=True)
class PictureObjects:
    """The objects of one picture that were found, wrong and missed, by the rules of the set's figures at IoU 0.5.

    Args:
        id: the picture's path relative to its data set.
        size: height and width in pixels.
        objects: how many annotated objects it has, without crowds.
        tp: objects found.
        fp: predictions that match no object.
        fn: objects missed.
        mean_iou: the mean IoU of the objects found; NaN where there are none.
        miou: mean IoU of the classes of pixels; NaN for a network that finds objects.
        class_errors: (K,) objects of each class that were missed, and predictions of it that are wrong.
    """

    id: str
    size: Size
    objects: int
    tp: int
    fp: int
    fn: int
    mean_iou: float
    miou: float = math.nan
    class_errors: tuple[int, ...] = ()

    @classmethod
    def of(cls, id: str, size: Size, compared: Compared, match: Match, miou: float, classes: int) -> PictureObjects:
        """Count the outcomes of the objects of a picture, where ``match`` is that of ``compared``."""
        tp, fp, fn = len(match.found), len(match.wrong), len(match.missed)
        mean_iou = float(match.ious.mean()) if tp else math.nan
        errors = np.bincount(compared.labels[match.missed], minlength=classes)
        errors += np.bincount(compared.predicted[match.wrong], minlength=classes)
        return cls(id, size, int((~compared.crowd).sum()), tp, fp, fn, mean_iou, miou, tuple(errors.tolist()))

    @property
    def score(self) -> float:
        """TP / (TP + FP + FN); NaN where nothing is annotated and nothing was predicted."""
        counted = self.tp + self.fp + self.fn
        return self.tp / counted if counted else math.nan


def object_evaluation(
    scores: ObjectScores,
    pictures: Sequence[PictureObjects],
    label_space: LabelSpace,
    pixels: Scores | None = None,
    details: PixelDetails | None = None,
    intervals: Intervals | None = None,
) -> Evaluation:
    """Put the scores of a set, and those of its pictures, into tables.

    Args:
        scores: the scores of the set.
        pictures: the scores of each picture.
        label_space: classes of the objects, without background.
        pixels: the scores of the classes of pixels, for a network that gives these.
        details: the scores of these pixels that need more than confusion counts.
        intervals: the intervals of the figures over pictures.
    """
    between = {} if intervals is None else intervals.figures
    ranking = [place for place, picture in enumerate(pictures) if not math.isnan(picture.score)]
    # Of pictures with the same score, the one with more mistakes is the worse one.
    ranking.sort(key=lambda at: (pictures[at].score, -pictures[at].fp - pictures[at].fn, pictures[at].id))
    return Evaluation(
        headline=Figure("mask AP" if scores.overlap == "mask" else "box AP", scores.ap, between.get("ap")),
        figures=(*_ratios(scores, pixels, between), *_counts(scores)),
        classes=_class_table(scores, label_space),
        pictures=_picture_table(pictures, with_miou=pixels is not None),
        measure=("tp_fp_fn", "TP / (TP + FP + FN)"),
        ranking=tuple(ranking),
        rule=scores.rule,
        pixels=pixels,
        objects=scores,
        details=details,
        intervals=intervals,
        class_ranking=_class_ranking(pictures, label_space),
    )


def _class_ranking(pictures: Sequence[PictureObjects], label_space: LabelSpace) -> dict[str, tuple[int, ...]]:
    """Rank the pictures of each class by its errors; one class alone is ranked as the pictures are."""
    if len(label_space) < 2 or not all(picture.class_errors for picture in pictures):
        return {}
    errors = np.array([picture.class_errors for picture in pictures]).reshape(-1, len(label_space))  # (N, K)
    return {name: rank_errors(errors[:, index]) for index, name in enumerate(label_space.names)}


def _ratios(scores: ObjectScores, pixels: Scores | None, between: Mapping[str, Interval]) -> tuple[Figure, ...]:
    """Give the ratios beside the headline, without undefined ones."""
    ratios = {  # name in JSON -> name for people and value
        "ap50_tp_fp_fn": ("TP / (TP + FP + FN)", scores.ap50_tp_fp_fn),
        "ap50": ("AP50", scores.ap50),
        "ap75": ("AP75", scores.headline.ap75),
        "box_ap": ("box AP", scores.box.ap if scores.overlap == "mask" else math.nan),
        "boundary_ap": ("boundary AP", math.nan if scores.boundary is None else scores.boundary.ap),
        "pq": ("panoptic quality", scores.pq),
        **{f"ap_{name}": (f"AP of {name} objects", value) for name, value in scores.headline.by_area.items()},
        "miou": ("mean IoU of pixels", math.nan if pixels is None else pixels.miou),
        "pixel_accuracy": ("accuracy of pixels", math.nan if pixels is None else pixels.pixel_accuracy),
    }
    figures = (Figure(name, value, between.get(key)) for key, (name, value) in ratios.items())
    return tuple(figure for figure in figures if figure.defined)


def _counts(scores: ObjectScores) -> tuple[Figure, ...]:
    counts = {
        "objects": scores.objects,
        "found": scores.tp,
        "missed": scores.fn,
        "wrong": scores.fp,
        "pictures": scores.images,
    }
    return tuple(Figure(*count) for count in counts.items())


def _class_table(scores: ObjectScores, label_space: LabelSpace) -> ScoreTable:
    columns = (
        Column("class", "text"),
        Column("AP"),
        Column("box AP", brief=False),
        Column("PQ"),
        *(Column(name, "count") for name in ("objects", "found", "missed", "wrong")),
    )
    rows = []
    for index, name in enumerate(scores.names):
        found, wrong, missed = scores.counts[0, index].tolist()
        ratios = (
            float(scores.headline.by_class[index]),
            float(scores.box.by_class[index]),
            float(scores.class_pq[index]),
        )
        cells = (name, *ratios, found + missed, found, missed, wrong)
        rows.append(Row(cells, label_space.colors[index], absent=found + wrong + missed == 0))
    note = (
        "Found, missed and wrong: objects with a prediction above IoU 0.5, objects without, and predictions that are "
        "no object. A dash: there is nothing of the class to find."
    )
    return ScoreTable(columns, tuple(rows), note)


def _picture_table(pictures: Sequence[PictureObjects], *, with_miou: bool) -> ScoreTable:
    columns = [Column("id", "text")]
    columns += [Column(name, "count", brief=False) for name in ("height", "width")]
    columns += [Column(name, "count") for name in ("objects", "tp", "fp", "fn")]
    columns += [Column("tp_fp_fn"), Column("mean_iou")] + [Column("miou")] * with_miou
    rows = [
        Row(
            (
                picture.id,
                *picture.size,
                *(picture.objects, picture.tp, picture.fp, picture.fn),
                *(picture.score, picture.mean_iou, picture.miou)[: 2 + with_miou],
            )
        )
        for picture in pictures
    ]
    return ScoreTable(tuple(columns), tuple(rows))
