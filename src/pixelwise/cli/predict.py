"""``pixelwise predict``: label pictures with a model."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from pixelwise.cli.inputs import message_of, split_words
from pixelwise.cli.machine import use_huge_pages
from pixelwise.errors import DataError, PagesError, SettingError
from pixelwise.words import agreeing, counted

if TYPE_CHECKING:
    from pixelwise.inference.labelling.jobs import Job
    from pixelwise.io.images import DecodedPicture
    from pixelwise.tiling import Mode


def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Run folder, .safetensors or exported file; several with commas are averaged.",
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
    value_range: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Stored numbers that become black and white; as learnt unless given."),
    ] = None,
    runtime: Annotated[str, typer.Option(help="auto, torch, or onnx or openvino for exported files.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    like: Annotated[
        Path | None,
        typer.Option(metavar="COCO_JSON", help="Take ids of pictures and categories for predictions.json from it."),
    ] = None,
    pages: Annotated[
        bool, typer.Option("--pages", help="Label the pages of TIFF and the frames of GIF one by one.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a job that was stopped.")] = False,
    crf: Annotated[
        bool, typer.Option("--crf", help="Let labels follow colours, as DeepLab v1 and v2 do; seconds per picture.")
    ] = False,
) -> None:
    """Label every pixel of pictures, or find their objects, as the model does.

    Pictures are files, folders with their sub-folders, or patterns such as 'photos/*.jpg'.

    For photos/a.jpg: a.png holds class indices, with the colours of the classes as its palette;

    a_overlay.jpg shows them on the picture; a_probabilities.npy is float16 (classes, height, width);

    a.geojson holds a polygon for each region or object.

    For all pictures together, coco writes predictions.json and table writes objects.csv: a row for each object.

    GeoTIFF, Zarr, .npy and pictures above 67 megapixels are computed from file to file: a.tif holds their labels.

    With --pages, the pages of a.tif are labelled one by one: a-page001.png and so on.

    A picture that cannot be read does not stop the others: it is named at the end, with exit status 2.
    """
    # Imported here, so that help and usage errors do not wait for decoders and torch.
    from pixelwise.cli.progress import Terminal
    from pixelwise.inference import Predictor
    from pixelwise.inference.labelling.finished import Finished
    from pixelwise.inference.labelling.jobs import Options, by_pages, collect, unused_lines
    from pixelwise.inference.labelling.label import check_possible, label_one, read_job, size_of
    from pixelwise.inference.labelling.object_lists import ObjectLists, listed_name
    from pixelwise.inference.labelling.outputs import FolderSink, check_not_overwritten, parse_kinds, results_of
    from pixelwise.io.ahead import read_ahead
    from pixelwise.io.outputs import make_folder
    from pixelwise.io.pictures.depth import parse_range
    from pixelwise.io.rasters.opening import Watch
    from pixelwise.io.rasters.sidecars import UnreadPlaces
    from pixelwise.io.shapes.coco_ids import CocoIds
    from pixelwise.types import object_space

    options = Options(parse_kinds(split_words(save)), crf=crf, resume=resume)
    if like is not None and "coco" not in options.kinds:
        raise SettingError(
            f"{like}: ids are taken from it for predictions.json, which is not wanted; add coco to --save, or leave "
            "this out",
            argument="like",
        )
    collected = collect(inputs, out)
    jobs = by_pages(collected.jobs) if pages else collected.jobs
    check_not_overwritten(jobs, out, options.kinds)
    use_huge_pages()
    models = find_models(model)
    precision = "auto"
    if resume and runtime == "auto":
        runtime, precision = computed_before(out, models)
    predictor = Predictor(
        models,
        runtime=runtime,
        precision=precision,
        device=device,
        mode=cast("Mode", mode),
        tile=tile,
        memory=memory,
        score=score,
        min_area=min_area,
        tta=split_words(tta),
        value_range=parse_range(value_range),
    )
    check_possible(predictor, options)
    ids = None if like is None else CocoIds.read(like)
    if ids is not None:
        ids.check(map(listed_name, jobs), object_space(predictor.label_space).names)
    make_folder(out, "out")
    settings = {
        "model": predictor.runtime.fingerprint,
        "runtime": predictor.runtime.library,
        "precision": predictor.runtime.precision,
        "save": options.kinds,
        "mode": mode,
        "tile": tile,
        "memory": memory,
        "rule": asdict(predictor.rule),
        "crf": crf,
        "value_range": value_range,
    }
    finished = Finished(out, settings, resume=resume)
    lists = ObjectLists(out, options.kinds)
    places = UnreadPlaces()
    terminal = Terminal(Console(soft_wrap=True))
    if predictor.runtime.note:
        terminal.say(f"computed by {predictor.runtime.note}")
    started = time.monotonic()
    failed: list[str] = []
    skipped = 0

    def read(job: Job) -> tuple[str, DecodedPicture | None]:
        page = "" if job.page is None else f", page {job.page + 1}"
        source = (
            f"{Watch(job.picture)}{page}"  # before it is read, so that a change meanwhile does not pass for finished
        )
        return source, None if finished.holds(source) else read_job(job, predictor)

    with terminal.progress("predicting", len(jobs)) as progress, closing(read_ahead(read, jobs)) as readings:
        for done, (job, reading) in enumerate(zip(jobs, readings, strict=True), 1):
            try:
                source, decoded = reading.result()
                if finished.holds(source):
                    skipped += 1
                    continue
                if ids is not None:
                    ids.entry_of_size(listed_name(job), size_of(job, decoded))
                make_folder((out / job.name).parent, "out")
                outcome = label_one(
                    predictor, job, options, FolderSink(out / job.name), decoded=decoded, listener=terminal
                )
                lists.add(job, outcome.size, outcome.labelled.records)
                if not job.page:  # once for all pages
                    places.look(job.picture)
                finished.add(source, filter(Path.exists, [*results_of(out / job.name), lists.path_of(job)]))
            except DataError as error:
                lists.drop(job)
                hint = "; --pages labels them one by one" if isinstance(error, PagesError) else ""
                failed.append(message_of(error) + hint)
            progress(done, len(jobs))
    lists.write(jobs, object_space(predictor.label_space), score=predictor.rule.score, like=ids)
    finished.remove()
    lists.remove()
    good = len(jobs) - len(failed)
    done_in = f"{counted(good, 'picture', of=len(jobs))} in {time.monotonic() - started:.1f} s: {out}"
    if skipped:
        done_in += f" ({skipped} of them {agreeing(skipped, 'was')} finished before)"
    terminal.say(done_in)
    for line in [*places.lines(), *unused_lines(collected.unused)]:
        terminal.say(line)
    if failed:
        raise DataError(
            f"{counted(len(failed), 'picture', of=len(jobs))} could not be labelled:\n  " + "\n  ".join(failed)
        )


def computed_before(out: Path, models: list[str | Path]) -> tuple[str, str]:
    """Give the library and the precision of a stopped job: others would give other labels for the rest of it.

    They are auto where there was no job, or one of another kind of model, which then begins anew.
    """
    from pixelwise.inference.labelling.finished import recorded_settings
    from pixelwise.inference.runtimes.catalogue import EXPORTED_SUFFIXES

    begun = recorded_settings(out)
    exported = any(Path(path).suffix in EXPORTED_SUFFIXES for path in models)
    if "runtime" not in begun or (begun["runtime"] == "torch") == exported:
        return "auto", "auto"
    return str(begun["runtime"]), str(begun["precision"])


def find_models(text: str) -> list[str | Path]:
    """Take apart the models of an ensemble; a path that exists as it stands is one model, commas and all."""
    return [Path(text)] if Path(text).exists() else [Path(part) for part in split_words(text)]
