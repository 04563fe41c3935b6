"""``pixelwise models``: all networks there are, with what to choose by."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array and nothing else.")] = False,
) -> None:
    """List all models: paper, size, stride, and how far around a pixel they see.

    Parameters are counted for 3 channels and 21 classes, with the default encoder where a model takes one.
    """
    from pixelwise.inspection import list_models

    listed = list_models()
    if as_json:
        print(json.dumps([model.to_dict() for model in listed], indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("model", "paper"):
        table.add_column(column, no_wrap=True)
    for column in ("params", "stride", "period", "sees", "context"):
        table.add_column(column, justify="right", no_wrap=True)
    summaries = Table.grid(padding=(0, 2))
    summaries.add_column(no_wrap=True, style="bold")
    for model in listed:
        whole = model.receptive_field is None
        table.add_row(
            f"[bold]{escape(model.name)}[/]",
            f"{escape(model.paper.removesuffix(' et al.'))} {model.year}",
            f"{model.parameters / 1e6:.1f} M",
            str(model.stride),
            str(model.period),
            "whole" if whole else str(model.receptive_field),
            "" if whole else str(model.context),
        )
        built_on = f" [dim](on {escape(model.encoder)} by default)[/]" if model.encoder else ""
        summaries.add_row(escape(model.name), escape(model.summary) + built_on)
    console = Console()
    console.print(table)
    console.print()
    console.print(summaries, highlight=False)
    console.print(
        "\n[dim]params: what learns, for 21 classes. stride: pixels from one cell of the scores to the next. period: "
        "what sizes and tiles are multiples of. sees: pixels along an axis that a label depends on, or the whole "
        "picture. context: how far tiles must see beyond what they write. More: pixelwise inspect NAME.[/]",
        highlight=False,
    )
