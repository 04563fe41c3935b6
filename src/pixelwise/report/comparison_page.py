"""Writing the page of a comparison: models side by side, their differences, and the pictures where they differ most."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pixelwise.io.atomic import write_text
from pixelwise.report.pareto import draw_pareto
from pixelwise.report.rendering import environment, read_text, style, versions
from pixelwise.scoring.comparison import FIGURE_NAMES, Comparison, StatedFigure
from pixelwise.scoring.example import Example

COLUMN_FIGURES = 3
"""The most figures beside the headline that have a column in the table of models; all are listed below it."""


@dataclass(frozen=True, eq=False)
class DifferingPicture:
    """A picture on which models differ.

    Args:
        id: the picture's path relative to its data set.
        image: the picture, uint8 (H, W, 3), at the size it is shown.
        truth: its annotation painted over it, of the same shape.
        examples: name of a model -> the picture with its prediction, of the same shape.
    """

    id: str
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    examples: Mapping[str, Example]


def write_comparison_page(
    path: str | os.PathLike[str],
    comparison: Comparison,
    *,
    title: str,
    pictures: Sequence[DifferingPicture] = (),
    commands: Sequence[str] = (),
) -> None:
    """Write a comparison as one HTML file that needs no other.

    Args:
        path: the file to write; it is written completely or not at all.
        comparison: the comparison.
        title: heading of the page.
        pictures: the pictures where the models differ most.
        commands: the commands that give the same results again.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    scored = comparison.scored
    best = max(scored, key=lambda one: comparison.figures[one.name][comparison.headline].value)
    page = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            comparison=comparison,
            title=title,
            headline=FIGURE_NAMES[comparison.headline],
            names=FIGURE_NAMES,
            keys=list(comparison.figures[scored[0].name]),
            classes=list(comparison.class_figures[scored[0].name]),
            best=best,
            first=scored[0],
            several=max(len(one.runs) for one in scored) > 1,
            pareto=draw_pareto(comparison),
            pictures=pictures,
            scale=_scale(comparison),
            signed=_signed,
            compact=_compact,
            duration=_duration,
            style=style() + read_text("comparison.css"),
            script=read_text("comparison.js"),
            commands=commands,
            versions=versions(),
            date=datetime.now().astimezone(),
        )
    )
    write_text(path, page)


def _scale(comparison: Comparison) -> float:
    """The largest end of an interval of a class's difference, which fills the bars; at least 0.01."""
    ends: list[float] = [
        abs(end)
        for figures in comparison.class_figures.values()
        for figure in figures.values()
        if figure.difference is not None
        for end in (figure.difference, *(figure.difference_interval or ()))
    ]
    return max([0.01, *(end for end in ends if not math.isnan(end))])


def _signed(figure: StatedFigure) -> str:
    """Format a difference with its sign; a dash where it is not defined."""
    if figure.difference is None or math.isnan(figure.difference):
        return "-"
    return f"{figure.difference:+.3f}".replace("-", "\N{MINUS SIGN}")


def _compact(number: float) -> str:
    """Format a large number with three digits, such as 11.2 M."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
