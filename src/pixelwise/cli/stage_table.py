"""Printing an inspection on a terminal: the stages as a table, and what follows from them in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.inspection import Inspection, StageRow

REGION_STRIDE = "box"
"""Stands for the stride of what runs on regions of the picture."""

STAGE_COLUMNS = ("ch", "size", "unpadded", "stride", "field", "params", "mult-adds", "MiB")


def show(inspection: Inspection, console: Console, *, every: bool = False) -> None:
    """Print the stages as a table and what follows from them below it.

    Args:
        inspection: the inspection of a model.
        console: the console to print on.
        every: whether each of several repeated blocks has its own rows.
    """
    from pixelwise.inspection import group_rows

    rows = list(inspection.rows) if every else group_rows(inspection.rows)
    console.print(_heading(inspection), highlight=False)
    console.print(_table(inspection, rows))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for name, words in _facts(inspection, rows):
        facts.add_row(name, escape(words))
    console.print()
    console.print(facts, highlight=False)


def _heading(inspection: Inspection) -> str:
    encoder = f" on {inspection.encoder}" if inspection.encoder else ""
    options = "".join(f", {name} {value}" for name, value in inspection.options.items())
    computed = "" if inspection.computed == inspection.picture else f", computed at {_size(inspection.computed)}"
    mirrored = " with mirrored borders" if inspection.mirrored else ""
    taken = f"{counted(inspection.channels, 'channel')}, {counted(inspection.classes, 'class')}{options}"
    picture = f"a picture of {_size(inspection.picture)}{computed}{mirrored}"
    return f"[bold]{escape(inspection.name)}[/]{escape(encoder)}: {escape(taken)}, {picture}\n"


def _table(inspection: Inspection, rows: Sequence[StageRow]) -> Table:
    unpadded = inspection.unpadded
    shapes = (
        {}
        if unpadded is None
        else {row.name: shape for row, shape in zip(inspection.rows, unpadded.shapes, strict=True)}
    )
    kept = [name for name in STAGE_COLUMNS if name != "unpadded" or unpadded is not None]
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    table.add_column("stage", overflow="fold")
    for column in kept:
        table.add_column(column.replace("-", "-\n"), justify="right", no_wrap=True)
    for row in rows:
        name = f"{row.name} ({len(row.calls)} calls)" if row.calls and row.blocks == 1 else row.name
        cells = _cells(row) | {"unpadded": _size(shapes.get(row.name, ())[2:])}
        table.add_row(escape(name), *(cells[column] for column in kept))
    table.add_section()
    total = {
        "ch": "",
        "size": "" if unpadded is None else _size(inspection.picture),
        "unpadded": "" if unpadded is None else _size(unpadded.output),
        "stride": "" if inspection.regions is not None else str(inspection.stride),
        "field": field_text(inspection.receptive_field),
        "params": amount(inspection.parameters),
        "mult-adds": amount(inspection.multiply_adds),
        "MiB": megabytes(inspection.written),
    }
    table.add_row("[bold]total[/]", *(total[column] for column in kept))
    return table


def _cells(row: StageRow) -> dict[str, str]:
    calls = row.every_call
    maps = [call for call in calls if len(call.shape) == 4]
    placed = [call.geometry for call in maps if call.geometry is not None]
    on_grid = [call.geometry.stride for call in maps if call.geometry is not None and call.shape[2] * call.shape[3] > 1]
    fields = {geometry.receptive_field for geometry in placed}
    channels = {call.shape[1] for call in calls if len(call.shape) == 4 or (row.regions and len(call.shape) == 2)}
    sizes = {call.shape[2:] for call in maps}
    return {
        "ch": _range(str(count) for count in sorted(channels)),
        "size": f"{len(sizes)} sizes" if len(sizes) > 1 else "".join(map(_size, sizes)),
        "stride": REGION_STRIDE if row.regions else _range(stride_text(stride) for stride in sorted(set(on_grid))),
        "field": _range(field_text(field) for field in sorted(fields, key=lambda field: (field is None, field))),
        "params": amount(row.parameters),
        "mult-adds": amount(row.multiply_adds),
        "MiB": megabytes(row.written) if row.written >= 2**20 / 20 else "",
    }


def _facts(inspection: Inspection, rows: Sequence[StageRow]) -> list[tuple[str, str]]:
    from pixelwise.inspection import describe_field, describe_unpadded

    facts = [("parameters", f"{inspection.parameters:,}"), ("field", describe_field(inspection))]
    repeated = [row.blocks for row in rows if row.blocks > 1]
    if repeated:
        facts.append(
            ("repeats", f"({repeated[0]}x): blocks that repeat, from the first to the last; --verbose shows each stage")
        )
    if any(row.stride is not None and stride_text(row.stride).startswith("~") for row in rows):
        facts.append(("strides", "~ marks maps that are stretched over the picture and lie on no exact grid of it"))
    if inspection.regions is not None:
        proposals, detections = inspection.regions
        masks = f", its masks for each of {counted(detections, 'detection')}" if inspection.masks else ""
        facts.append(
            (
                "boxes",
                f"what has the stride '{REGION_STRIDE}' runs once for each of "
                f"{counted(proposals, 'proposal')}{masks}, the most there may be: its cells divide a box of any size, "
                "and lie on no grid of the picture",
            )
        )
    facts.append(("sizes", inspection.sizes))
    unpadded = describe_unpadded(inspection)
    if unpadded is not None:
        facts.append(("unpadded", unpadded))
    facts.append(("tiles", inspection.tiling))
    facts.append(
        (
            "memory",
            f"{megabytes(inspection.peak)} MiB of activations live at once in prediction; "
            f"{megabytes(inspection.written)} are written in all, most of which training keeps (float32, one picture)",
        )
    )
    return facts


def _range(texts: Iterable[str]) -> str:
    """Format one value, or a range from the first to the last."""
    listed = list(dict.fromkeys(texts))
    return "-".join([listed[0], listed[-1]] if len(listed) > 1 else listed)


def _size(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def stride_text(stride: int | Fraction) -> str:
    """Format a stride in whole numbers; for maps without an exact grid, the approximate pixels from cell to cell."""
    if isinstance(stride, int) or stride < 1:
        return str(stride)
    return f"~{round(stride)}"


def field_text(receptive_field: int | None) -> str:
    """Format the side of a receptive field."""
    return "whole" if receptive_field is None else str(receptive_field)


def amount(count: int) -> str:
    """Format a count with about three digits, and 0 as an empty text."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            return f"{count / size:.{0 if count >= 100 * size else 1}f} {unit}"
    return str(count) if count else ""


def megabytes(count: int) -> str:
    """Format bytes in MiB."""
    mebibytes = count / 2**20
    return f"{mebibytes:,.{0 if mebibytes >= 100 else 1}f}"
