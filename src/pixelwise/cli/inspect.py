"""``pixelwise inspect``: what a model is made of, what it costs and what it sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pixelwise.errors import DataError, PixelwiseError, SettingError
from pixelwise.io.outputs import check_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pixelwise.inspection import Inspection
    from pixelwise.models import Model

DEFAULT_CLASSES = 21
DEFAULT_SIZE = (512, 512)

UNCOUNTABLE_SIDE = 2**20
"""Sides of this length or more may give more values than can be counted."""


def inspect(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A model's name, a run folder or a .safetensors file.", show_default=False),
    ],
    encoder: Annotated[str | None, typer.Option(help="Encoder, for a model named that takes one.")] = None,
    classes: Annotated[
        int | None, typer.Option(help=f"Classes, for a model named; {DEFAULT_CLASSES} by default.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Size of the picture; of --picture, else 512x512.", metavar="HxW")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An option of the model named, such as width=0.25, or in_channels or model_options as in train; may "
            "repeat.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show each stage of blocks that repeat.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Draw what a pixel sees into this file, a PNG.", metavar="FILE")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw it over this picture; into NAME-field.png where --out is not given.", metavar="FILE"),
    ] = None,
) -> None:
    """Show the stages of a model, what they cost, which sizes fit, what tiles need and what a pixel sees.

    Nothing is computed but shapes, so that it takes seconds for any size of picture; no file is written but the
    drawing, where --out or --picture asks for it.
    """
    from pixelwise.cli.stage_table import show
    from pixelwise.cli.train import parse_size

    given = None if size is None else parse_size(size)
    drawing = out
    if out is None and picture is not None:
        drawing = Path(f"{Path(name).name.removesuffix('.safetensors') or 'model'}-field.png")
    if drawing is not None:
        check_file(drawing, "out")
        if drawing.suffix.lower() != ".png":
            raise SettingError(f"{drawing}: the drawing is a PNG; let its name end in .png", argument="out")
    image = None
    if picture is not None:
        image = read_background(picture)
        if given not in (None, image.shape[:2]):
            raise SettingError(
                f"{picture} is {image.shape[0]}x{image.shape[1]}, but --size {size} was given; leave --size out"
            )
        given = image.shape[0], image.shape[1]
    inspection = look_into(name, encoder=encoder, classes=classes, settings=set_ or [], size=given or DEFAULT_SIZE)
    if drawing is not None:
        draw(inspection, image, drawing)
    if as_json:
        drawn = {} if drawing is None else {"picture": str(drawing)}
        print(json.dumps(inspection.to_dict() | drawn, indent=2, allow_nan=False))
        return
    show(inspection, Console(), every=verbose)
    print("\nwhat a pixel sees:", "drawn with --out FILE.png" if drawing is None else drawing)


def read_background(picture: Path) -> NDArray[Any]:
    """Read the picture to draw over: RGB uint8 (H, W, 3).

    Raises:
        DataError: there is none, or it cannot be read.
    """
    from pixelwise.io.images import read_image

    if not picture.exists():
        raise DataError(f"{picture}: there is no such picture to draw over; --out names the file to draw into")
    return read_image(picture).transpose(1, 2, 0)  # (3, H, W) -> (H, W, 3)


def draw(inspection: Inspection, image: NDArray[Any] | None, file: Path) -> None:
    """Write the drawing of what a pixel sees, whole or not at all."""
    from PIL import Image

    from pixelwise.inspection import draw_field
    from pixelwise.io.atomic import atomic_path

    with atomic_path(file) as beside:
        Image.fromarray(draw_field(inspection, image)).save(beside, format="PNG")


def look_into(
    name: str, *, encoder: str | None, classes: int | None, settings: list[str], size: tuple[int, int]
) -> Inspection:
    """Find a model and trace it.

    Raises:
        PixelwiseError: as :func:`find_model` and :func:`pixelwise.inspection.inspect_model`.
        SettingError: settings that no network can be built with, or a size that no machine could hold.
    """
    try:
        model = find_model(name, encoder=encoder, classes=classes, settings=settings)
        from pixelwise.inspection import inspect_model  # here, because it imports torch

        return inspect_model(model, size=size)
    except PixelwiseError:
        raise
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if not settings and max(size) < UNCOUNTABLE_SIDE:
            raise
        asked = " ".join([f"--size {size[0]}x{size[1]}", *(f"--set {setting}" for setting in settings)])
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(f"model '{name}' cannot be built or run with {asked}: {reason}") from None


def find_model(name: str, *, encoder: str | None, classes: int | None, settings: list[str]) -> Model:
    """Build a model by name on shapes alone, or load it from a run folder or a file.

    Raises:
        ModelError: there is none of that name, or the file is no model file.
        SettingError: unknown settings; or an encoder, classes or settings for a model file, which has its own.
    """
    from pixelwise.inspection.listed import list_models
    from pixelwise.models.model_file import find_model_file

    path = Path(name)
    known = any(model.name == name for model in list_models())
    if not known and path.suffix:
        find_model_file(path)  # before torch is imported, which takes seconds
    from pixelwise.cli.model_options import read_model_options
    from pixelwise.models import build_model, load_model
    from pixelwise.nn.tracing.shapes import on_shapes

    if known or not (path.exists() or path.suffix or len(path.parts) > 1):
        options = read_model_options(name, settings)
        if encoder is not None and options.setdefault("encoder", encoder) != encoder:
            raise SettingError(f"--encoder {encoder} and --set encoder={options['encoder']} differ; give one of them")
        with on_shapes():
            return build_model(name, classes=DEFAULT_CLASSES if classes is None else classes, **options)
    for option, value in (("--encoder", encoder), ("--classes", classes), ("--set", settings or None)):
        if value is not None:
            raise SettingError(f"{name} is a trained model and has its own; leave {option} out")
    return load_model(path)
