"""``pixelwise import``: a network that was trained with another library, as a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pixelwise.errors import DataError, ModelError, SettingError
from pixelwise.io.outputs import check_file
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.models.importing.importer import Imported
    from pixelwise.preprocessing import Resize
    from pixelwise.types import LabelSpace

CHECKED_SIZE = (64, 96)
"""Height and width of the picture with which the written file is checked."""


def import_(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="State dict: .pth, .pt or .safetensors.", show_default=False)
    ],
    source: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="NAME",
            help="fcn_resnet50, maskrcnn_resnet50_fpn, ..., smp-unet-resnet34, ...",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The model file to write, .safetensors.", show_default=False)],
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names: a name a line, in index order.")
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Leave out tensors whose names begin so; may repeat."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option it was built with, as KEY=VALUE; may repeat.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Take over a network that was trained with torchvision or segmentation_models_pytorch, tensor by tensor.

    The model file computes what the network computed. Tensors without a place are named, and nothing is written then.

    NAME is torchvision's (fcn_resnet50, deeplabv3_resnet101, deeplabv3_mobilenet_v3_large, maskrcnn_resnet50_fpn),

    or smp-ARCHITECTURE-ENCODER

    (smp-unet-resnet34, smp-deeplabv3-resnet50, smp-deeplabv3plus-resnet101, smp-unet-tu-convnext_tiny).
    """
    check_file(out, "out")
    if out.suffix != ".safetensors":
        raise SettingError(f"{out}: model files end in .safetensors; name it so with --out")
    options = parse_options(set_ or [])

    # Imported here, so that help and usage errors do not wait for torch.
    from pixelwise.models import save_model
    from pixelwise.models.importing.importer import import_checkpoint

    label_space, named_by = read_labels(labels), str(labels)
    imported = import_checkpoint(checkpoint, source, label_space=label_space, leave_out=leave_out or (), **options)
    if label_space is None:
        label_space, named_by = choose_labels(imported)
        imported.model.change_card(label_space=label_space)
    save_model(imported.model, out)
    check_written(imported, out)
    print_summary(Console(), imported, source, named_by)
    Console().print(f"written and read again: {out}", highlight=False, markup=False)


def parse_options(assignments: list[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` words, the values as YAML.

    Raises:
        SettingError: a word without "=", or a value that is no YAML.
    """
    import yaml

    from pixelwise.io.yaml_text import load_yaml

    options = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        try:
            options[key.strip()] = load_yaml(value)
        except yaml.YAMLError:
            equals = ""
        if not equals:
            raise SettingError(f"--set {assignment}: expected KEY=VALUE, such as --set output_stride=16")
    return options


def read_labels(path: Path | None) -> LabelSpace | None:
    """Read the names of the classes, where a file gives them.

    Raises:
        DataError: there is no such file, or it holds no list of names.
    """
    from pixelwise.data.masks.labels import background_of
    from pixelwise.data.pairs import read_names
    from pixelwise.types import LabelSpace

    if path is None:
        return None
    names = read_names(path)
    if names is None:
        raise DataError(f"{path}: there is no such file; give a class name a line with --labels")
    return LabelSpace(names, background=background_of(names), ignore_index=255 if len(names) <= 255 else 65535)


def choose_labels(imported: Imported) -> tuple[LabelSpace, str]:
    """Name classes that no file names: as in Pascal VOC where torchvision has as many classes, else by number."""
    from pixelwise.data.layouts.masks.voc import VOC_CLASSES
    from pixelwise.types import LabelSpace

    found = imported.model.label_space
    if imported.recipe.library == "torchvision" and len(found) == len(VOC_CLASSES):
        return LabelSpace(VOC_CLASSES, background=0), "Pascal VOC, as torchvision's own weights; others with --labels"
    return found, "numbered; name them with --labels"


def check_written(imported: Imported, path: Path) -> None:
    """Read the file that was written, and compare what it computes with the model.

    Raises:
        ModelError: it does not compute the same; the file is then faulty.
    """
    import torch

    from pixelwise.models import load_model

    made, written = imported.model, load_model(path)
    images = torch.randn(1, made.preprocessing.channels, *CHECKED_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        # Networks that resize would enlarge the probe to full size, which takes seconds and checks nothing more.
        outputs = [_tensors(getattr(model, "find", model)(images)) for model in (written, made)]
    same = all(torch.equal(one, other) for one, other in zip(*outputs, strict=True))
    if not same or written.preprocessing != made.preprocessing:
        raise ModelError(f"{path}: the file does not compute what the imported model computes; do not use it")


def _tensors(output: Any) -> list[Any]:
    """The logits, or the tensors of the detections."""
    return [part for found in output for part in found if part is not None] if isinstance(output, list) else [output]


def describe_resize(resize: Resize | None) -> str:
    """Describe the size to which the network resizes pictures."""
    if resize is None:
        return "at their own size"
    return (
        f"resized until the shorter side has {resize.shorter} pixels or the longer side {resize.longer}; --set "
        "resize=none leaves them as they are"
    )


def print_summary(console: Console, imported: Imported, source: str, named_by: str) -> None:
    """Print what was imported, and the assumptions made."""
    from rich.markup import escape
    from rich.table import Table

    model, recipe = imported.model, imported.recipe
    options = ", ".join(f"{key} {value}" for key, value in model.options.items())
    names = ", ".join(model.label_space.names[:4]) + (", ..." if len(model.label_space) > 4 else "")
    grid = {
        "half_pixel": "the map is stretched over the picture (align_corners=False)",
        "corners": "the map is stretched over the picture from corner to corner (align_corners=True)",
    }.get(model.stretch or "", f"sizes are padded to multiples of {model.geometry.period}")
    if model.edge == "none":
        grid = "pictures are taken as they are, and maps round their size up"
    tiles = "tiles differ from the whole picture" if model.geometry.whole else "tiles equal the whole picture"
    rows = [
        ("source", f"{source} of {recipe.library}"),
        ("model", f"{model.name} ({options})"),
        (
            "tensors",
            f"{imported.mapped} taken over, {counted(sum(p.numel() for p in model.parameters()), 'parameter')}",
        ),
        ("left out", ", ".join(imported.left_out) or "none"),
        ("classes", f"{len(model.label_space)}: {names} ({named_by})"),
        ("pictures", describe_resize(model.preprocessing.resize)),
        ("grid", f"{grid}; {tiles}"),
        *(("note", note) for note in imported.notes),
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for key, value in rows:
        table.add_row(key, escape(value))
    console.print(table)
