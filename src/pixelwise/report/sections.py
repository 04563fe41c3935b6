"""What the sections of a report show of an evaluation beyond its tables, in the form that the templates take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelwise.metrics.bootstrap import Interval
from pixelwise.metrics.calibration import reliability_curve
from pixelwise.metrics.part_sizes import SIZE_LIMITS, describe_part_sizes
from pixelwise.metrics.pixel_details import PixelDetails
from pixelwise.metrics.scores import Scores
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.tables import Column, Row

NUMBERED_CLASSES = 20
"""The most classes for which the cells of the confusion table hold numbers; more would not be legible."""

DRAWN_CLASSES = 64
"""The most classes for which there is a confusion table; with more, only the largest confusions are listed."""

LISTED_CONFUSIONS = 8
"""The most pairs of confused classes that are listed."""

FEWEST_PICTURES_IN_DISTRIBUTION = 8
"""The fewest pictures for which the distribution of their figures is drawn."""

LISTED_PICTURES = 5000
"""The most pictures that are listed, the worst first."""

_TITLES = {
    "id": "picture",
    "miou": "mIoU",
    "pixel_accuracy": "pixel accuracy",
    "tp": "found",
    "fp": "wrong",
    "fn": "missed",
    "tp_fp_fn": "TP / (TP + FP + FN)",
    "mean_iou": "mean IoU of the found",
}


@dataclass(frozen=True)
class Confusion:
    """The pixels of class ``target`` that were labelled ``prediction``, and their share of the class's pixels."""

    target: str
    prediction: str
    pixels: int
    share: float


@dataclass(frozen=True)
class ErrorPlace:
    """The pixels of a set that are near boundaries, or those that are not.

    Args:
        pixels: how many there are.
        wrong: how many of them have a wrong label.
        share: of all pixels, 0 .. 1.
        wrong_share: of all wrong pixels, 0 .. 1; NaN without any.
    """

    pixels: int
    wrong: int
    share: float
    wrong_share: float

    @property
    def rate(self) -> float:
        """The share of these pixels that are wrong; NaN without any."""
        return self.wrong / self.pixels if self.pixels else math.nan


def confusion_context(scores: Scores | None) -> dict[str, Any]:
    """Give what the page shows of pixels that were labelled with another class."""
    if scores is None:
        return {"names": (), "shares": None, "numbered": False, "confusions": ()}
    classes = len(scores.names)
    return {
        "names": scores.names,
        "shares": confusion_shares(scores) if 1 < classes <= DRAWN_CLASSES else None,
        "numbered": classes <= NUMBERED_CLASSES,
        "confusions": largest_confusions(scores),
    }


def confusion_shares(scores: Scores) -> list[list[float]]:
    """Divide each row of the counts by its sum: (K, K) shares of a class's pixels, zeros for a class without pixels."""
    pixels = np.maximum(1, scores.target_pixels)
    shares: list[list[float]] = (scores.counts / pixels[:, None]).tolist()
    return shares


def largest_confusions(scores: Scores) -> tuple[Confusion, ...]:
    """Find the pairs of classes that are confused in the most pixels, largest first."""
    wrong = scores.counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None, kind="stable")[::-1][:LISTED_CONFUSIONS]
    found = []
    for target, prediction in zip(*np.unravel_index(order, wrong.shape), strict=True):
        pixels = int(wrong[target, prediction])
        if pixels:
            share = pixels / int(scores.target_pixels[target])
            found.append(Confusion(scores.names[target], scores.names[prediction], pixels, share))
    return tuple(found)


def distribution(figures: Sequence[float], *, bins: int = 20) -> list[int] | None:
    """Count figures of pictures in bins of equal width from 0 to 1; None if there are too few for a distribution."""
    defined = [figure for figure in figures if not math.isnan(figure)]
    if len(defined) < FEWEST_PICTURES_IN_DISTRIBUTION:
        return None
    counts: list[int] = np.histogram(defined, bins=bins, range=(0, 1))[0].tolist()
    return counts


def details_context(evaluation: Evaluation) -> dict[str, Any]:
    """Give what the page shows of boundaries, calibration and sizes; None or empty where it was not computed."""
    details, objects = evaluation.details, evaluation.objects
    reliability = None if details is None else details.reliability
    figures = {} if details is None else details.figures
    between = {} if evaluation.intervals is None else evaluation.intervals.figures
    return {
        "class_intervals": _class_intervals(evaluation),
        "places": None if details is None else error_places(details),
        "class_boundaries": () if details is None else _class_boundaries(details),
        "reliability": None if reliability is None or not reliability[:, 0].any() else reliability_curve(reliability),
        "ece": figures.get("ece", math.nan),
        "ece_interval": between.get("ece"),
        "part_sizes": {} if details is None else describe_part_sizes(details.part_sizes),
        "object_sizes": {} if objects is None else objects.headline.by_area,
        "size_sides": tuple(round(math.sqrt(limit)) for limit in SIZE_LIMITS),
    }


def _class_intervals(evaluation: Evaluation) -> Mapping[str, Interval | None]:
    """Give the intervals of the figure that the bars of the classes show: IoU has some, AP has none."""
    if evaluation.intervals is None or evaluation.objects is not None:
        return {}
    return evaluation.intervals.class_iou


def error_places(details: PixelDetails) -> tuple[ErrorPlace, ErrorPlace] | None:
    """Split the pixels of a set into those near true boundaries and the interior; None without any pixel."""
    (interior, wrong_interior), (near, wrong_near) = details.errors.tolist()
    pixels, wrong = interior + near, wrong_interior + wrong_near
    if not pixels:
        return None
    return (
        ErrorPlace(near, wrong_near, near / pixels, wrong_near / wrong if wrong else math.nan),
        ErrorPlace(interior, wrong_interior, interior / pixels, wrong_interior / wrong if wrong else math.nan),
    )


def _class_boundaries(details: PixelDetails) -> tuple[tuple[str, float, float], ...]:
    """Give Boundary IoU and boundary F1 of each class that has a boundary."""
    rows = zip(details.names, details.class_boundary_iou.tolist(), details.class_boundary_f1.tolist(), strict=True)
    return tuple(row for row in rows if not (math.isnan(row[1]) and math.isnan(row[2])))


def picture_list(evaluation: Evaluation) -> dict[str, Any]:
    """Give the columns and rows of the list of pictures, the worst first, those without a score last."""
    table = evaluation.pictures
    shown = [place for place, column in enumerate(table.columns) if column.brief]
    unranked = set(range(len(table.rows))).difference(evaluation.ranking)
    order = (*evaluation.ranking, *sorted(unranked))
    rows = [table.rows[place] for place in order[:LISTED_PICTURES]]
    return {
        "listed_columns": [_titled(table.columns[place]) for place in shown],
        "listed": [Row(tuple(row.cells[place] for place in shown)) for row in rows],
        "unlisted": len(order) - len(rows),
    }


def _titled(column: Column) -> Column:
    return Column(_TITLES.get(column.name, column.name), column.kind)
