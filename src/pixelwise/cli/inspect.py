"""``pixelwise inspect``: what a model is made of, what it costs and what it sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixelwise.errors import SettingError
from pixelwise.io.outputs import check_file
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.inspection import Inspection, Row
    from pixelwise.models import Model

CLASSES = 21
SIZE = (512, 512)


def inspect(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A model's name, a run folder or a .safetensors file.", show_default=False),
    ],
    encoder: Annotated[str | None, typer.Option(help="Encoder, for a model named that takes one.")] = None,
    classes: Annotated[int | None, typer.Option(help=f"Classes, for a model named; {CLASSES} by default.")] = None,
    size: Annotated[
        str | None, typer.Option(help="Size of the picture; of --picture, else 512x512.", metavar="HxW")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw what a pixel sees over this picture.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to draw it; NAME-field.png by default.", metavar="FILE")
    ] = None,
) -> None:
    """Show the stages of a model, what they cost, which sizes fit, what tiles need and what a pixel sees.

    Nothing is computed but shapes, so that it takes seconds for any size of picture.
    """
    from pixelwise.cli.train import parse_size

    given = None if size is None else parse_size(size)
    draws = not as_json or out is not None or picture is not None
    file = out or Path(f"{Path(name).name.removesuffix('.safetensors') or 'model'}-field.png")
    if draws:
        check_file(file, "out")
        if file.suffix.lower() != ".png":
            raise SettingError(f"{file}: the drawing is a PNG; let the name given to --out end in .png")

    from PIL import Image

    from pixelwise.inspection import draw_field, inspect_model
    from pixelwise.io.atomic import atomic_path
    from pixelwise.io.images import read_image

    image = None
    if picture is not None:
        image = read_image(picture).transpose(1, 2, 0)  # (3, H, W) -> (H, W, 3)
        if given not in (None, image.shape[:2]):
            raise SettingError(
                f"{picture} is {image.shape[0]}x{image.shape[1]}, but --size {size} was given; leave --size out"
            )
        given = image.shape[0], image.shape[1]
    model = find_model(name, encoder=encoder, classes=classes)
    inspection = inspect_model(model, size=given or SIZE)
    if draws:
        with atomic_path(file) as beside:
            Image.fromarray(draw_field(inspection, image)).save(beside, format="PNG")
    if as_json:
        drawn = {"picture": str(file)} if draws else {}
        print(json.dumps(inspection.to_dict() | drawn, indent=2, allow_nan=False))
        return
    show(inspection, Console())
    print(f"\nwhat a pixel sees: {file}")


def find_model(name: str, *, encoder: str | None, classes: int | None) -> Model:
    """Build a model by name on shapes alone, or load it from a run folder or a file.

    Raises:
        ModelError: there is none of that name, or the file is no model file.
        SettingError: an encoder or classes for a model file, which has its own.
    """
    import torch

    from pixelwise.models import MODELS, build_model, load_model

    path = Path(name)
    if name in MODELS or not (path.exists() or path.suffix or len(path.parts) > 1):
        with torch.device("meta"):
            return build_model(name, classes=CLASSES if classes is None else classes, encoder=encoder)
    for option, value in (("--encoder", encoder), ("--classes", classes)):
        if value is not None:
            raise SettingError(f"{name} is a trained model and has its own; leave {option} out")
    return load_model(path)


def show(inspection: Inspection, console: Console) -> None:
    """Print the stages as a table and the totals below it."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    table.add_column("stage", overflow="fold")
    for column in ("ch", "size", "stride", "field", "params", "mult-adds", "MiB"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in inspection.rows:
        table.add_row(escape(row.name), *_cells(row))
    table.add_section()
    table.add_row(
        "[bold]total[/]",
        "",
        "",
        str(inspection.stride),
        field_text(inspection.receptive_field),
        amount(inspection.parameters),
        amount(inspection.multiply_adds),
        megabytes(inspection.written),
    )
    encoder = f" on {inspection.encoder}" if inspection.encoder else ""
    height, width = inspection.picture
    computed = "" if inspection.computed == inspection.picture else f", computed at {_size(inspection.computed)}"
    console.print(
        f"[bold]{escape(inspection.name)}[/]{escape(encoder)}: {counted(inspection.channels, 'channel')}, "
        f"{counted(inspection.classes, 'class')}, a picture of {height}x{width}{computed}\n",
        highlight=False,
    )
    console.print(table)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row("parameters", f"{inspection.parameters:,}")
    if inspection.regions is not None:
        facts.add_row(
            "heads", "counted on {} proposals and {} detections, the most there may be".format(*inspection.regions)
        )
    facts.add_row("sizes", inspection.sizes)
    facts.add_row("tiles", inspection.tiling)
    facts.add_row(
        "memory",
        f"{megabytes(inspection.peak)} MiB of activations live at once in prediction; {megabytes(inspection.written)} "
        "are written in all, most of which training keeps (float32, one picture)",
    )
    console.print()
    console.print(facts, highlight=False)


def _cells(row: Row) -> tuple[str, ...]:
    mapped = len(row.shape) == 4
    field = "" if row.geometry is None else field_text(row.geometry.receptive_field)
    single = mapped and row.shape[2] * row.shape[3] == 1
    return (
        str(row.shape[1]) if mapped else "",
        _size(row.shape[2:]) if mapped else "",
        "" if row.stride is None or single else str(row.stride),
        field,
        amount(row.parameters),
        amount(row.multiply_adds),
        megabytes(row.written) if row.written >= 2**20 / 20 else "",
    )


def _size(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def field_text(receptive_field: int | None) -> str:
    """Show the side of a receptive field."""
    return "whole" if receptive_field is None else str(receptive_field)


def amount(count: int) -> str:
    """Show a count with three digits or so, and none as nothing."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            return f"{count / size:.{0 if count >= 100 * size else 1}f} {unit}"
    return str(count) if count else ""


def megabytes(count: int) -> str:
    """Show bytes in MiB."""
    mebibytes = count / 2**20
    return f"{mebibytes:,.{0 if mebibytes >= 100 else 1}f}"
