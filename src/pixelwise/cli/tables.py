"""Scores as a terminal shows them."""

from __future__ import annotations

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixelwise.metrics.scores import Scores
from pixelwise.types import LabelSpace

BAR_CELLS = 20


def print_scores(console: Console, scores: Scores, label_space: LabelSpace) -> None:
    """Print a row a class, the headline figures below, and the rule they follow."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("class")
    table.add_column("IoU", justify="right")
    table.add_column("")
    table.add_column("accuracy", justify="right")
    table.add_column("share of pixels", justify="right")
    total = max(1, int(scores.counts.sum()))
    for index, name in enumerate(scores.names):
        red, green, blue = label_space.colors[index]
        iou = scores.class_iou[index]
        cells = 0 if math.isnan(iou) else round(BAR_CELLS * iou)
        table.add_row(
            f"[rgb({red},{green},{blue})]■[/] {escape(name)}",
            figure(iou),
            f"[green]{'━' * cells}[/][bright_black]{'━' * (BAR_CELLS - cells)}[/]",
            figure(scores.class_accuracy[index]),
            f"{scores.target_pixels[index] / total:.2%}",
        )
    console.print()
    console.print(table)
    console.print()
    console.print(f"[bold]mIoU {figure(scores.miou)}[/]", highlight=False)
    console.print(
        f"pixel accuracy {figure(scores.pixel_accuracy)}   mean accuracy {figure(scores.mean_accuracy)}   "
        f"Dice {figure(scores.dice)}   fwIoU {figure(scores.frequency_weighted_iou)}",
        highlight=False,
    )
    console.print(f"[dim]{escape(scores.rule)}[/]", highlight=False)


def figure(value: float) -> str:
    """Show a ratio with four digits, and one that is not defined as a dash."""
    return "-" if math.isnan(value) else f"{value:.4f}"
