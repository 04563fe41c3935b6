"""``pixelwise export``: a trained model as one file for other libraries."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import rich
import typer
from rich.console import Console

from pixelwise.cli.predict import find_models
from pixelwise.errors import SettingError

if TYPE_CHECKING:
    from pixelwise.export.object_parity import ObjectParity
    from pixelwise.export.parity import Parity
    from pixelwise.quantising import Quantised


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Run folder or .safetensors file; several, separated by commas, are averaged in one file.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file to write: .onnx, or .xml for OpenVINO.", show_default=False)],
    format: Annotated[
        str | None, typer.Option(help="onnx or openvino; by default as the suffix of the file says.")
    ] = None,
    int8: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Compute in 8-bit integers, with what that loses measured on this data; for OpenVINO.",
            show_default=False,
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="The most that integers may lose, in points of mIoU or AP; 1 by default.",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Pictures to check the file with; by default the run's validation pictures, else drawn."
        ),
    ] = None,
) -> None:
    """Write a model as one file, from the picture to its labels or objects, and check that these are the same.

    pixelwise predict and evaluate take the file as MODEL; ONNX Runtime and OpenVINO run it without pixelwise.

    A file whose labels or objects differ from the model's is not written, nor one whose integers lose more than wanted.
    """
    models = find_models(model)
    if int8 is None and max_drop is not None:
        raise SettingError("limits what integers lose; give int8 with the data to measure on", argument="max_drop")
    if int8 is not None and (len(models) > 1 or format not in (None, "openvino")):
        raise SettingError("takes one model, and writes for OpenVINO", argument="int8")
    # Imported here, so that help and errors about arguments do not wait for torch.
    from pixelwise.models.model_file import find_model_file

    for path in models:
        find_model_file(path)
    from pixelwise.cli.progress import Terminal

    console = Console(soft_wrap=True)
    terminal = Terminal(console)
    if int8 is not None:
        from pixelwise.quantising import quantise_model

        rich.get_console().quiet = True  # on which nncf draws bars of its own
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # nncf imports it, whose remarks mislead
        limit = 1.0 if max_drop is None else max_drop
        print_quantised(
            console, quantise_model(Path(models[0]), out, int8, max_drop=limit, pictures=pictures, listener=terminal)
        )
    else:
        from pixelwise.export import export_model

        exported = export_model(models, out, format=format, pictures=pictures, listener=terminal)
        print_parity(console, exported.parity)
    terminal.say(f"written: {out}")


def print_quantised(console: Console, quantised: Quantised) -> None:
    """Print what integers lose, and what they gain."""
    from rich.table import Table

    layers = quantised.layers
    console.print(
        f"layers: {layers.integer} in integers, {layers.floating} in floats because they lose most; ranges measured on "
        f"{quantised.calibrated}",
        highlight=False,
    )
    console.print(
        f"{quantised.figure} {quantised.before:.4f} in float32, {quantised.after:.4f} in integers: "
        f"{quantised.drop:.2f} points lost; {quantised.scored}",
        highlight=False,
    )
    table = Table("computed in", "ms a picture", box=None, pad_edge=False)
    for way, milliseconds in quantised.milliseconds.items():
        table.add_row(way, f"{milliseconds:.1f}")
    console.print(table)


def print_parity(console: Console, parity: Parity | ObjectParity) -> None:
    """Print how the file compares with the model."""
    from rich.table import Table

    table = Table(*parity.columns, box=None, pad_edge=False)
    for row in parity.rows:
        table.add_row(*row.cells())
    console.print(table)
    console.print(f"parity: {parity.verdict}", highlight=False)
