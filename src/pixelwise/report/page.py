"""Writing the report: everything is inside one file, so that it can be mailed, kept and opened anywhere."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from pixelwise.io.atomic import write_text
from pixelwise.metrics.scores import Scores
from pixelwise.report.figures import draw_curves
from pixelwise.report.rendering import environment, style, versions
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import Example

NUMBERED_CLASSES = 20
"""The most classes for which the cells of the confusion table hold numbers; more would not be legible."""

DRAWN_CLASSES = 64
"""The most classes for which there is a confusion table; with more, only the largest confusions are listed."""

LISTED_CONFUSIONS = 8
"""The most pairs of confused classes that are listed."""

FEWEST_PICTURES_IN_DISTRIBUTION = 8
"""The fewest pictures for which the distribution of their figures is drawn."""


@dataclass(frozen=True)
class Confusion:
    """The pixels of class ``target`` that were labelled ``prediction``, and their share of the class's pixels."""

    target: str
    prediction: str
    pixels: int
    share: float


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    evaluation: Evaluation,
    examples: Sequence[Example] = (),
    history: Sequence[Mapping[str, str]] = (),
    settings: Sequence[tuple[str, str, str]] = (),
    notes: Sequence[str] = (),
    commands: Sequence[str] = (),
) -> None:
    """Write the report as one HTML file that needs no other.

    Args:
        path: the file to write; it is written completely or not at all.
        title: heading of the page.
        evaluation: the scores; those of single pictures are shown as a distribution if there are enough.
        examples: pictures beside their targets.
        history: rows of ``metrics.csv``; see :func:`pixelwise.report.figures.draw_curves`.
        settings: name, value and reason of each setting.
        notes: paragraphs that belong to the scores.
        commands: the commands that give the same results again.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    column, measure = evaluation.measure
    page = (
        environment()
        .get_template("page.html.j2")
        .render(
            confusion_context(evaluation.pixels),
            evaluation=evaluation,
            title=title,
            style=style(),
            measure=measure,
            distribution=distribution([float(value) for value in evaluation.pictures.column(column)]),
            curves=draw_curves(history),
            examples=examples,
            groups=list(dict.fromkeys(example.group for example in examples)),
            settings=settings,
            notes=notes,
            commands=commands,
            versions=versions(),
            date=datetime.now().astimezone(),
        )
    )
    write_text(path, page)


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
