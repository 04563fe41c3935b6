"""Scores of objects as a terminal shows them."""

from __future__ import annotations

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixelwise.cli.tables import BAR_CELLS, figure
from pixelwise.object_evaluation import ObjectEvaluation
from pixelwise.types import LabelSpace, object_space

SHOWN_CLASSES = 30
"""Up to this many classes have a row each; of more, those that are annotated or predicted."""


def print_object_scores(console: Console, evaluation: ObjectEvaluation, label_space: LabelSpace) -> None:
    """Print a row a class, the headline figures below, and the rule they follow."""
    scores, space = evaluation.scores, object_space(label_space)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("class")
    table.add_column("AP", justify="right")
    table.add_column("")
    for name in ("PQ", "objects", "found", "missed", "wrong"):
        table.add_column(name, justify="right")
    for index, name in enumerate(scores.names):
        found, wrong, missed = scores.counts[0, index].tolist()
        if found + wrong + missed == 0 and len(space) > SHOWN_CLASSES:
            continue
        red, green, blue = space.colors[index]
        ap = scores.headline.by_class[index]
        cells = 0 if math.isnan(ap) else round(BAR_CELLS * ap)
        table.add_row(
            f"[rgb({red},{green},{blue})]■[/] {escape(name)}",
            figure(ap),
            f"[green]{'━' * cells}[/][bright_black]{'━' * (BAR_CELLS - cells)}[/]",
            figure(float(scores.class_pq[index])),
            *(f"{count:,}" for count in (found + missed, found, missed, wrong)),
        )
    console.print()
    console.print(table)
    console.print()
    kind = "mask" if scores.overlap == "mask" else "box"
    console.print(
        f"[bold]{kind} AP {figure(scores.ap)}   TP / (TP + FP + FN) {figure(scores.ap50_tp_fp_fn)}[/]", highlight=False
    )
    boundary = math.nan if scores.boundary is None else scores.boundary.ap
    console.print(
        f"AP50 {figure(scores.ap50)}   AP75 {figure(scores.headline.ap75)}   box AP {figure(scores.box.ap)}   "
        f"boundary AP {figure(boundary)}   PQ {figure(scores.pq)}",
        highlight=False,
    )
    if evaluation.semantic is not None:
        pixels = evaluation.semantic
        console.print(
            f"of pixels: mIoU {figure(pixels.miou)}   pixel accuracy {figure(pixels.pixel_accuracy)}", highlight=False
        )
    console.print(f"[dim]{escape(scores.rule)}[/]", highlight=False)
