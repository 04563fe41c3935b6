"""Printing scores on a terminal."""

from __future__ import annotations

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.tables import Cell, Column, Figure, Row, describe_interval

BAR_CELLS = 20

SHOWN_CLASSES = 30
"""Up to this many classes have one row each; of more classes, only those that occur have rows."""

FIGURES_PER_LINE = 4
FIGURES_WITH_INTERVALS_PER_LINE = 2


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print one row per class, the figures below, and the rule they follow."""
    columns = [(place, column) for place, column in enumerate(evaluation.classes.columns) if column.brief]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, column in columns:
        table.add_column(column.name, justify="left" if column.kind == "text" else "right")
        if place == 1:
            table.add_column("")
    for row in evaluation.classes.rows:
        if row.absent and len(evaluation.classes.rows) > SHOWN_CLASSES:
            continue
        cells = []
        for place, column in columns:
            cells.append(_name(row) if place == 0 else figure(row.cells[place], column))
            if place == 1:
                cells.append(_bar(float(row.cells[1])))
        table.add_row(*cells)
    console.print()
    console.print(table)
    console.print()
    console.print(f"[bold]{_state(evaluation.headline)}[/]", highlight=False)
    ratios = [_state(one) for one in evaluation.figures if isinstance(one.value, float)]
    per_line = FIGURES_PER_LINE if evaluation.headline.interval is None else FIGURES_WITH_INTERVALS_PER_LINE
    for first in range(0, len(ratios), per_line):
        console.print("   ".join(ratios[first : first + per_line]), highlight=False)
    console.print(f"[dim]{escape(evaluation.rule)}[/]", highlight=False)
    if evaluation.intervals is not None:
        console.print(f"[dim]{escape(evaluation.intervals.meaning)}[/]", highlight=False)


def figure(value: Cell, column: Column | None = None) -> str:
    """Format a cell: a ratio with four digits, a share in percent, a count, and undefined values as a dash."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "-"
    return f"{value:.2%}" if column is not None and column.kind == "share" else f"{value:.4f}"


def _state(one: Figure) -> str:
    between = f" \\[{describe_interval(one.interval)}]" if one.interval is not None else ""
    return f"{escape(one.name)} {figure(one.value)}{between}"


def _name(row: Row) -> str:
    name = escape(str(row.cells[0]))
    return name if row.color is None else f"[rgb({','.join(map(str, row.color))})]■[/] {name}"


def _bar(ratio: float) -> str:
    cells = 0 if math.isnan(ratio) else round(BAR_CELLS * ratio)
    return f"[green]{'━' * cells}[/][bright_black]{'━' * (BAR_CELLS - cells)}[/]"
