"""``pixelwise predict``: label pictures with a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pixelwise.cli.inputs import Job, collect
from pixelwise.cli.outputs import make_folder
from pixelwise.errors import DataError, SettingError, unknown_name

if TYPE_CHECKING:
    from pixelwise.inference import Prediction

ENDINGS = {"labels": ".png", "overlay": "_overlay.jpg", "probabilities": "_probabilities.npy"}
"""What can be saved -> the ending of its file, after the name of the picture."""


def predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Run folder or .safetensors file.", show_default=False)
    ],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Pictures, folders, or patterns.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.", show_default=False)],
    save: Annotated[
        str, typer.Option(help="What to write, with commas: labels, overlay, probabilities.")
    ] = "labels,overlay",
    crf: Annotated[
        bool, typer.Option("--crf", help="Let labels follow colours, as DeepLab v1 and v2 do; seconds a picture.")
    ] = False,
) -> None:
    """Label every pixel of pictures: files, folders with their sub-folders, or patterns such as 'photos/*.jpg'.

    For photos/a.jpg: a.png holds class indices, with the colours of the classes as its palette;

    a_overlay.jpg shows them on the picture; a_probabilities.npy is float16 (classes, height, width).

    A picture that cannot be read does not stop the others: it is named at the end, with exit status 2.
    """
    kinds = parse_kinds(save)
    jobs = collect(inputs, out)
    check_not_overwritten(jobs, out, kinds)

    # Imported here, so that help and usage errors do not wait for torch.
    from pixelwise.cli.progress import counting
    from pixelwise.inference import Predictor
    from pixelwise.inference.pictures import as_image
    from pixelwise.inference.sharpen import sharpen
    from pixelwise.io.ahead import read_ahead

    predictor = Predictor(model)
    make_folder(out, "--out")
    started = time.monotonic()
    failed: list[str] = []
    with counting("predicting", len(jobs)) as progress:
        readings = read_ahead(lambda job: as_image(job.picture, predictor.preprocessing), jobs)
        for done, (job, reading) in enumerate(zip(jobs, readings, strict=True), 1):
            try:
                image = reading.result().transpose(1, 2, 0)  # (H, W, C)
            except DataError as error:
                failed.append(str(error))
            else:
                prediction = predictor(image, probabilities=crf or "probabilities" in kinds)
                write(sharpen(prediction) if crf else prediction, out / job.name, kinds)
            progress(done, len(jobs))
    good = len(jobs) - len(failed)
    done_in = f"{good} of {len(jobs)} pictures in {time.monotonic() - started:.1f} s: {out}"
    Console().print(done_in, highlight=False, markup=False)
    if failed:
        raise DataError(f"{len(failed)} of {len(jobs)} pictures could not be labelled:\n  " + "\n  ".join(failed))


def parse_kinds(save: str) -> tuple[str, ...]:
    """Read what is to be saved, in words with commas between them.

    Raises:
        SettingError: nothing, or something that cannot be saved.
    """
    kinds = tuple(kind.strip() for kind in save.split(",") if kind.strip())
    for kind in kinds:
        if kind not in ENDINGS:
            raise SettingError(f"--save {save}: {unknown_name('output', kind, ENDINGS)}")
    if not kinds:
        raise SettingError(f"--save names nothing; give some of {', '.join(ENDINGS)}")
    return kinds


def check_not_overwritten(jobs: Sequence[Job], out: Path, kinds: Sequence[str]) -> None:
    """Make sure that no result takes the place of a picture that is to be labelled.

    Raises:
        SettingError: one would.
    """
    pictures = {job.picture.resolve() for job in jobs}
    for job in jobs:
        for kind in kinds:
            result = result_path(out / job.name, kind)
            if result.resolve() in pictures:
                raise SettingError(f"{result}: this result would overwrite a picture; choose another folder with --out")


def result_path(name: Path, kind: str) -> Path:
    """Name the file of a result."""
    return name.with_name(name.name + ENDINGS[kind])


def write(prediction: Prediction, name: Path, kinds: Sequence[str]) -> None:
    """Write the results of a picture, each whole or not at all.

    Args:
        prediction: with probabilities, where they are to be written.
        name: path without suffix; its folder is made.
        kinds: keys of :data:`ENDINGS`.
    """
    import numpy as np
    from PIL import Image

    from pixelwise.io.atomic import atomic_path

    make_folder(name.parent, "--out")
    if "labels" in kinds:
        prediction.save(result_path(name, "labels"))
    if "overlay" in kinds:
        with atomic_path(result_path(name, "overlay")) as beside:
            Image.fromarray(prediction.overlay()).save(beside, "JPEG", quality=90, subsampling=0)
    if "probabilities" in kinds and prediction.probabilities is not None:
        with atomic_path(result_path(name, "probabilities")) as beside, beside.open("wb") as opened:
            np.save(opened, prediction.probabilities.astype(np.float16))
