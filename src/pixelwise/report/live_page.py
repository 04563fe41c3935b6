"""The report of a run that has not finished: the curve so far and pictures by the newest weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from pixelwise.io.atomic import write_text
from pixelwise.report.figures import draw_curves
from pixelwise.report.rendering import environment, style, versions
from pixelwise.scoring.example import Example

SECONDS_BETWEEN_LOADS = 20
"""The seconds after which a browser loads the page again."""


def write_live_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    steps: tuple[int, int],
    score: tuple[str, float] | None,
    examples: Sequence[Example] = (),
    history: Sequence[Mapping[str, str]] = (),
    settings: Sequence[tuple[str, str, str]] = (),
) -> None:
    """Write the page as one HTML file that needs no other, and that browsers load again from time to time.

    Args:
        path: the file to write; it is written completely or not at all.
        title: heading of the page.
        steps: the steps that are done, and those of the run.
        score: name and value of the best score so far; None before the first.
        examples: pictures beside their targets.
        history: rows of ``metrics.csv``; see :func:`pixelwise.report.figures.draw_curves`.
        settings: name, value and reason of each setting.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    page = (
        environment()
        .get_template("live.html.j2")
        .render(
            title=title,
            style=style(),
            done=steps[0],
            total=steps[1],
            score=score,
            seconds=SECONDS_BETWEEN_LOADS,
            curves=draw_curves(history),
            examples=examples,
            settings=settings,
            versions=versions(),
            date=datetime.now().astimezone(),
        )
    )
    write_text(path, page)
