"""``pixelwise predict``: label pictures with a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from pixelwise.cli.finished import Finished
from pixelwise.cli.inputs import Job, collect, split_words
from pixelwise.cli.machine import use_huge_pages
from pixelwise.cli.object_lists import FILES, ObjectLists
from pixelwise.cli.outputs import make_folder
from pixelwise.cli.rasters import describe_plan, describe_seams, is_raster, label_raster_file
from pixelwise.errors import DataError, SettingError, unknown_name
from pixelwise.words import agreeing, counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pixelwise.cli.progress import Counter
    from pixelwise.inference import Prediction, Predictor
    from pixelwise.tiling import Mode

ENDINGS = {
    "labels": ".png",
    "overlay": "_overlay.jpg",
    "probabilities": "_probabilities.npy",
    "geojson": ".geojson",
}
"""What can be saved for each picture -> the ending of its file, after the name of the picture."""

SCORED = 2**29
"""Up to so many numbers, pixels times classes, the parts of classes are scored: that takes all probabilities."""


def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Run folder or .safetensors file; several with commas are averaged.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Pictures, rasters, folders, or patterns.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.", show_default=False)],
    save: Annotated[
        str, typer.Option(help="What to write, with commas: labels, overlay, probabilities, geojson, coco, table.")
    ] = "labels,overlay",
    mode: Annotated[
        str, typer.Option(help="Tiles that equal the whole (exact), that see less around them (fast), or auto.")
    ] = "auto",
    tile: Annotated[
        int | None, typer.Option(help="Side of tiles in pixels; chosen for the memory unless given.", min=1)
    ] = None,
    memory: Annotated[float, typer.Option(help="MiB that computing a tile may take.")] = 256,
    tta: Annotated[
        str, typer.Option(help="Views to average, with commas: hflip, vflip, rotations, and zooms such as 0.75.")
    ] = "",
    score: Annotated[
        float | None,
        typer.Option(
            help="Objects found with a lower score stand in the COCO file only; as the model says unless given.",
            min=0,
            max=1,
        ),
    ] = None,
    min_area: Annotated[
        int | None, typer.Option(help="Pixels that an object has at least; as the model says unless given.", min=0)
    ] = None,
    runtime: Annotated[str, typer.Option(help="What computes: auto or torch.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a job that was stopped.")] = False,
    crf: Annotated[
        bool, typer.Option("--crf", help="Let labels follow colours, as DeepLab v1 and v2 do; seconds a picture.")
    ] = False,
) -> None:
    """Label every pixel of pictures, or find their objects, as the model does.

    Pictures are files, folders with their sub-folders, or patterns such as 'photos/*.jpg'.

    For photos/a.jpg: a.png holds class indices, with the colours of the classes as its palette;

    a_overlay.jpg shows them on the picture; a_probabilities.npy is float16 (classes, height, width);

    a.geojson holds a polygon for each region or object.

    For all pictures together, coco writes predictions.json and table writes objects.csv: a row for each object.

    GeoTIFF, Zarr, .npy and pictures above 67 megapixels are computed from file to file: a.tif holds their labels.

    A picture that cannot be read does not stop the others: it is named at the end, with exit status 2.
    """
    kinds = parse_kinds(save)
    jobs = collect(inputs, out)
    check_not_overwritten(jobs, out, kinds)
    use_huge_pages()

    # Imported here, so that help and usage errors do not wait for torch.
    from pixelwise.cli.progress import counting
    from pixelwise.inference import Predictor
    from pixelwise.inference.labelling.records import object_records
    from pixelwise.inference.pictures import as_image
    from pixelwise.io.ahead import read_ahead
    from pixelwise.io.rasters.opening import Watch
    from pixelwise.types import object_space

    predictor = Predictor(
        find_models(model),
        runtime=runtime,
        mode=cast("Mode", mode),
        tile=tile,
        memory=memory,
        score=score,
        min_area=min_area,
        tta=split_words(tta),
    )
    check_possible(predictor, kinds, crf=crf)
    make_folder(out, "--out")
    settings = {
        "model": predictor.runtime.fingerprint,
        "save": kinds,
        "mode": mode,
        "tile": tile,
        "memory": memory,
        "rule": asdict(predictor.rule),
    }
    finished = Finished(out, {**settings, "crf": crf}, resume=resume)
    lists = ObjectLists(out, kinds)
    started = time.monotonic()
    failed: list[str] = []
    skipped = 0

    def read(job: Job) -> tuple[str, NDArray[np.uint8] | None]:
        source = str(Watch(job.picture))  # before it is read, so that a change meanwhile does not pass for finished
        if finished.holds(source) or is_raster(job.picture):
            return source, None
        return source, as_image(job.picture, predictor.preprocessing)  # (C, H, W)

    with counting("predicting", len(jobs)) as counter:
        for done, (job, reading) in enumerate(zip(jobs, read_ahead(read, jobs), strict=True), 1):
            try:
                source, image = reading.result()
                if finished.holds(source):
                    skipped += 1
                    continue
                if image is None:
                    if crf:
                        raise DataError(
                            f"{job.picture}: --crf needs the whole picture in memory; leave it out for rasters"
                        )
                    make_folder((out / job.name).parent, "--out")
                    with label_raster_file(
                        predictor, job.picture, out / job.name, kinds, resume=resume, counter=counter
                    ) as (size, records):
                        lists.add(job, size, records)
                else:
                    with_scores = crf or "probabilities" in kinds or scores_parts(predictor, image, lists)
                    prediction = label_picture(predictor, job, image, counter, with_scores=with_scores)
                    prediction = sharpened(prediction) if crf else prediction
                    write(prediction, out / job.name, kinds)
                    if lists.kinds:
                        lists.add(job, prediction.size, object_records(prediction.objects()))
                finished.add(source, filter(Path.exists, [*results_of(out / job.name, kinds), lists.path_of(job)]))
            except DataError as error:
                lists.drop(job)
                failed.append(str(error))
            counter(done, len(jobs))
    if lists.kinds:
        lists.write(jobs, object_space(predictor.label_space), score=predictor.rule.score)
    finished.remove()
    lists.remove()
    good = len(jobs) - len(failed)
    done_in = f"{counted(good, 'picture', of=len(jobs))} in {time.monotonic() - started:.1f} s: {out}"
    if skipped:
        done_in += f" ({skipped} of them {agreeing(skipped, 'was')} finished before)"
    Console(soft_wrap=True).print(done_in, highlight=False, markup=False)
    if failed:
        raise DataError(
            f"{counted(len(failed), 'picture', of=len(jobs))} could not be labelled:\n  " + "\n  ".join(failed)
        )


def find_models(text: str) -> list[str | Path]:
    """Take apart the models of an ensemble; a path that exists as it stands is one model, commas and all."""
    return [Path(text)] if Path(text).exists() else [Path(part) for part in split_words(text)]


def label_picture(
    predictor: Predictor, job: Job, image: NDArray[np.uint8], counter: Counter, *, with_scores: bool
) -> Prediction:
    """Label a picture (C, H, W) that is in memory, and say how where it needs tiles."""
    plan = predictor.plan((image.shape[1], image.shape[2]))
    pixels = image.transpose(1, 2, 0)  # (H, W, C)
    if plan.whole:
        return predictor(pixels, probabilities=with_scores)
    counter.say(f"{job.picture}: {describe_plan(plan)}")
    with counter.tiles(job.picture.name, len(plan)) as progress:
        prediction = predictor(pixels, probabilities=with_scores, progress=progress)
    seams = describe_seams(prediction.exact, prediction.seam_error, objects=predictor.finds_objects)
    counter.say(f"{job.picture}: {seams}")
    return prediction


def check_possible(predictor: Predictor, kinds: Sequence[str], *, crf: bool) -> None:
    """Make sure that the model gives what is to be saved.

    Raises:
        SettingError: it does not.
    """
    if not predictor.finds_objects:
        return
    if "probabilities" in kinds:
        raise SettingError(
            "--save probabilities: this network finds objects and gives each a score, but no probabilities of pixels; "
            "--save table holds the scores"
        )
    if crf:
        raise SettingError("--crf needs probabilities of pixels, which a network that finds objects does not give")


def scores_parts(predictor: Predictor, image: NDArray[np.uint8], lists: ObjectLists) -> bool:
    """Whether probabilities of an image (C, H, W) are computed for the scores of the parts of its classes."""
    if predictor.finds_objects or not lists.kinds:
        return False
    numbers: int = image.shape[1] * image.shape[2] * len(predictor.label_space)
    return numbers <= SCORED


def sharpened(prediction: Prediction) -> Prediction:
    """Let the labels of a prediction follow the colours of its picture."""
    from pixelwise.inference.crf import sharpen

    return sharpen(prediction)


def parse_kinds(save: str) -> tuple[str, ...]:
    """Read what is to be saved, in words with commas between them.

    Raises:
        SettingError: nothing, or something that cannot be saved.
    """
    kinds = tuple(split_words(save))
    for kind in kinds:
        if kind not in ENDINGS and kind not in FILES:
            raise SettingError(f"--save {save}: {unknown_name('output', kind, (*ENDINGS, *FILES))}")
    if not kinds:
        raise SettingError(f"--save names nothing; give some of {', '.join((*ENDINGS, *FILES))}")
    return kinds


def check_not_overwritten(jobs: Sequence[Job], out: Path, kinds: Sequence[str]) -> None:
    """Make sure that no result takes the place of a picture that is to be labelled.

    Raises:
        SettingError: one would.
    """
    pictures = {job.picture.resolve() for job in jobs}
    for job in jobs:
        name = out / job.name
        results = [result_path(name, kind) for kind in kinds if kind in ENDINGS]
        labels = name.with_name(name.name + ".tif")
        if labels.resolve() in pictures and is_raster(job.picture):
            results.append(labels)
        for result in results:
            if result.resolve() in pictures:
                raise SettingError(f"{result}: this result would overwrite a picture; choose another folder with --out")


def result_path(name: Path, kind: str) -> Path:
    """Name the file of a result."""
    return name.with_name(name.name + ENDINGS[kind])


def results_of(name: Path, kinds: Sequence[str]) -> list[Path]:
    """Name all files that a picture may leave: those that are asked for, and the labels of rasters."""
    return [*(result_path(name, kind) for kind in kinds if kind in ENDINGS), name.with_name(name.name + ".tif")]


def write(prediction: Prediction, name: Path, kinds: Sequence[str]) -> None:
    """Write the results of a picture, each whole or not at all.

    Args:
        prediction: with its picture for the overlay, and with probabilities where they are to be written.
        name: path without suffix; its folder is made.
        kinds: keys of :data:`ENDINGS`; others are passed over, but where files of objects are written, the overlay
            shows the numbers of these objects.
    """
    import numpy as np
    from PIL import Image

    from pixelwise.io.atomic import atomic_path
    from pixelwise.io.shapes.polygons import write_object_polygons, write_polygons

    make_folder(name.parent, "--out")
    if "labels" in kinds:
        prediction.save(result_path(name, "labels"))
    if "overlay" in kinds:
        with atomic_path(result_path(name, "overlay")) as beside:
            painted = prediction.overlay(objects=True if any(kind in FILES for kind in kinds) else None)
            Image.fromarray(painted).save(beside, "JPEG", quality=90, subsampling=0)
    if "probabilities" in kinds and prediction.probabilities is not None:
        with atomic_path(result_path(name, "probabilities")) as beside, beside.open("wb") as opened:
            np.save(opened, prediction.probabilities.astype(np.float16))
    if "geojson" in kinds and prediction.instances is not None:
        write_object_polygons(result_path(name, "geojson"), prediction.shown, prediction.object_space)
    elif "geojson" in kinds:
        write_polygons(result_path(name, "geojson"), prediction.labels, prediction.label_space)
