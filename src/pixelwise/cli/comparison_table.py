"""Printing a comparison on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixelwise.cli.tables import figure
from pixelwise.scoring.comparison import FIGURE_NAMES, Comparison
from pixelwise.scoring.tables import describe_interval


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print one row per model, why others have none, and what the intervals mean."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", overflow="fold")
    timed = ["ms"] if comparison.machine else []
    for column in (FIGURE_NAMES[comparison.headline], "95%", "difference", "95%", "params", *timed):
        table.add_column(column, justify="right")
    for one in comparison.scored:
        stated = comparison.figures[one.name][comparison.headline]
        difference = "" if stated.difference is None else f"{stated.difference:+.4f}"
        latency = None if one.cost is None else one.cost.latency_ms
        table.add_row(
            escape(one.name),
            figure(stated.value),
            describe_interval(stated.interval),
            f"[bold]{difference}[/]" if stated.parts else difference,
            describe_interval(stated.difference_interval),
            "" if one.cost is None else f"{one.cost.parameters:,}",
            *(["" if latency is None else f"{latency:.1f}"] if timed else []),
        )
    console.print()
    console.print(table)
    for one in comparison.candidates:
        for problem in one.problems:
            console.print(f"[red]{escape(one.name)}[/]: {escape(problem)}", highlight=False)
    console.print(f"[dim]{escape(comparison.rule)}[/]", highlight=False)
    console.print(f"[dim]{escape(comparison.meaning)}[/]", highlight=False)
