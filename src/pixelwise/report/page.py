"""Writing the report: a page that can be mailed, kept and opened anywhere, with full sizes in a folder beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pixelwise.io.atomic import write_text
from pixelwise.report.figures import draw_curves
from pixelwise.report.gallery import folder_name, make_stamps, write_cards
from pixelwise.report.rendering import environment, read_text, style, versions
from pixelwise.report.sections import confusion_context, details_context, distribution, picture_list
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import FULL_SIDE, Example


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    evaluation: Evaluation,
    examples: Iterable[Example] = (),
    stamps: Iterable[Example] = (),
    history: Sequence[Mapping[str, str]] = (),
    settings: Sequence[tuple[str, str, str]] = (),
    notes: Sequence[str] = (),
    commands: Sequence[str] = (),
) -> None:
    """Write the report as one HTML file that needs no other; only links to full sizes lead to a folder beside it.

    With any number of pictures, those in the page take less than 17 MB; see :mod:`pixelwise.report.gallery`.

    Args:
        path: the file to write; it is written completely or not at all.
        title: heading of the page.
        evaluation: the scores; those of single pictures are shown as a distribution if there are enough.
        examples: pictures beside their targets; they are taken one by one, and may be large.
        stamps: pictures of the list of all pictures, which are shown small.
        history: rows of ``metrics.csv``; see :func:`pixelwise.report.figures.draw_curves`.
        settings: name, value and reason of each setting.
        notes: paragraphs that belong to the scores.
        commands: the commands that give the same results again.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    target = Path(path)
    cards = write_cards(target, examples)
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
            cards=cards,
            anchors={card.id: card.anchor for card in reversed(cards)},
            groups=list(dict.fromkeys(card.group for card in cards)),
            confident=any(view.name == "confidence" for card in cards for view in card.views),
            folder=folder_name(target),
            full_side=FULL_SIDE,
            stamps=make_stamps(stamps),
            settings=settings,
            notes=notes,
            commands=commands,
            versions=versions(),
            date=datetime.now().astimezone(),
        )
    )
    write_text(target, page)
