"""Drawing curves as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Matplotlib needs real colours; each of these is replaced by a variable of the page, so that curves follow its theme.
_TEXT_COLOR, _GRID_COLOR, _CURVE_COLOR = "#010203", "#040506", "#070809"
_CSS_VARIABLES = {_TEXT_COLOR: "var(--muted)", _GRID_COLOR: "var(--line)", _CURVE_COLOR: "var(--accent)"}

_STYLE: Any = {  # Any, because matplotlib's own type names every possible key
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _TEXT_COLOR,
    "axes.edgecolor": _GRID_COLOR,
    "axes.labelcolor": _TEXT_COLOR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _GRID_COLOR,
    "grid.linewidth": 0.8,
    "xtick.color": _TEXT_COLOR,
    "ytick.color": _TEXT_COLOR,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
}


VALIDATION_SCORES = {"miou": "mIoU", "ap": "AP"}
"""The columns by which validations choose the best weights -> their titles."""


@dataclass(frozen=True)
class Curve:
    """A figure of one column of ``metrics.csv`` over the steps.

    Args:
        heading: the title of the figure, and its most important value.
        svg: the figure as inline SVG.
    """

    heading: str
    svg: str


def draw_curves(history: Sequence[Mapping[str, str]]) -> tuple[Curve, ...]:
    """Draw loss, validation score and learning rate over the steps, if the rows of ``metrics.csv`` have them.

    Args:
        history: rows with ``step`` and any of ``loss``, ``learning_rate`` and the scores of validations
            (``VALIDATION_SCORES``); empty cells are ignored.
    """
    curves = []
    if points := _column(history, "loss"):
        curves.append(Curve(f"Training loss, {points[-1][1]:.3f} at the end", _draw("loss", points)))
    for column, name in VALIDATION_SCORES.items():
        if points := [point for point in _column(history, column) if not math.isnan(point[1])]:
            best_step, best = max(points, key=lambda point: point[1])
            heading = f"Validation {name}, best {best:.3f} at step {best_step:,}"
            curves.append(Curve(heading, _draw(column, points, mark=(best_step, best))))
    if points := _column(history, "learning_rate"):
        highest = max(rate for _, rate in points)
        curves.append(Curve(f"Learning rate, {highest:.2g} at most", _draw("learning_rate", points)))
    return tuple(curves)


def _column(history: Sequence[Mapping[str, str]], name: str) -> list[tuple[int, float]]:
    return [(int(row["step"]), float(row[name])) for row in history if row.get(name)]


def _draw(name: str, points: Sequence[tuple[int, float]], *, mark: tuple[int, float] | None = None) -> str:
    """Draw one curve; ``name`` also makes the ids of several figures on a page different."""
    import matplotlib as mpl
    from matplotlib.figure import Figure  # without pyplot: no backend, no global state
    from matplotlib.ticker import MaxNLocator

    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(4.4, 2.3), layout="constrained")
        axes = figure.subplots()
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, color=_CURVE_COLOR, marker="o" if len(points) < 3 else None, markersize=4)
        if mark is not None:
            axes.plot(*mark, "o", color=_CURVE_COLOR, markersize=7)
        axes.set_xlabel("step")
        axes.set_xlim(left=0)
        if max(values) > 0:
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.ticklabel_format(axis="y", scilimits=(-3, 4))
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    for color, variable in _CSS_VARIABLES.items():
        svg = svg.replace(color, variable)
    return svg
