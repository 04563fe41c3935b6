"""Writing the report: everything is inside one file, so that it can be mailed, kept and opened anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from pixelwise.io.atomic import write_text
from pixelwise.report.figures import draw_curves
from pixelwise.report.rendering import environment, read_text, style, versions
from pixelwise.report.sections import confusion_context, details_context, distribution, picture_list
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import Example


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
            confusion_context(evaluation.pixels) | details_context(evaluation) | picture_list(evaluation),
            evaluation=evaluation,
            title=title,
            style=style() + read_text("evaluation.css"),
            script=read_text("page.js"),
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
