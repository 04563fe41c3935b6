"""``pixelwise export``: a trained model as one file for other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pixelwise.cli.predict import find_models

if TYPE_CHECKING:
    from pixelwise.export.object_parity import ObjectParity
    from pixelwise.export.parity import Parity


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
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Pictures to check the file with; by default the run's validation pictures, else drawn."
        ),
    ] = None,
) -> None:
    """Write a model as one file, from the picture to its labels or objects, and check that these are the same.

    pixelwise predict and evaluate take the file as MODEL; ONNX Runtime and OpenVINO run it without pixelwise.

    A file whose labels or objects differ from the model's is not written.
    """
    # Imported here, so that help and errors about arguments do not wait for torch.
    from pixelwise.models.model_file import find_model_file

    for path in find_models(model):
        find_model_file(path)
    from pixelwise.cli.progress import Terminal
    from pixelwise.export import export_model

    console = Console(soft_wrap=True)
    terminal = Terminal(console)
    exported = export_model(find_models(model), out, format=format, pictures=pictures, listener=terminal)
    print_parity(console, exported.parity)
    terminal.say(f"written: {out}")


def print_parity(console: Console, parity: Parity | ObjectParity) -> None:
    """Print how the file compares with the model."""
    from rich.table import Table

    table = Table(*parity.columns, box=None, pad_edge=False)
    for row in parity.rows:
        table.add_row(*row.cells())
    console.print(table)
    console.print(f"parity: {parity.verdict}", highlight=False)
