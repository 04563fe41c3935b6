"""``pixelwise predict``: label pictures with a model."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from pixelwise.cli.inputs import message_of, split_words
from pixelwise.cli.machine import keep_large_blocks, use_huge_pages
from pixelwise.errors import DataError, PagesError, SettingError, unknown_name
from pixelwise.words import agreeing, counted

if TYPE_CHECKING:
    from pixelwise.bulk.job import BulkJob, Engine
    from pixelwise.bulk.request import Request
    from pixelwise.bulk.shards import Shard
    from pixelwise.cli.progress import Terminal
    from pixelwise.inference import Predictor
    from pixelwise.tiling import Mode

ENGINES = ("local",)
"""What labels in place of this process alone."""


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
        typer.Argument(
            metavar="INPUT...",
            help="Pictures, rasters, folders, patterns, or manifests (.csv, .parquet) with a column path.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.", show_default=False)],
    save: Annotated[
        str,
        typer.Option(
            help="What to write, with commas: labels, overlay, probabilities, geojson, coco, table, pictures."
        ),
    ] = "labels,overlay",
    mode: Annotated[
        str, typer.Option(help="Tiles that equal the whole (exact), that see less around them (fast), or auto.")
    ] = "auto",
    tile: Annotated[
        int | None, typer.Option(help="Side of tiles in pixels; chosen for the memory unless given.", min=1)
    ] = None,
    memory: Annotated[float, typer.Option(help="MiB that computing a tile may take.")] = 1024,
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
    engine: Annotated[
        str | None,
        typer.Option(metavar="local", help="Label in several processes; goes on with a job that was stopped."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes of the engine; one a GPU, or for two processors, unless given.", min=1)
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Label part I of N, as one of the jobs that share the folder.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Join what all shards have written.")] = False,
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

    For all pictures together, coco writes predictions.json and table writes objects.csv: a row for each object;

    pictures writes pictures.parquet: a row for each picture, with its size, shares of classes, objects and error.

    GeoTIFF, Zarr, .npy and pictures above 67 megapixels are computed from file to file: a.tif holds their labels.

    With --pages, the pages of a.tif are labelled one by one: a-page001.png and so on.

    With --engine local or --shard, the same command goes on where it was stopped, and pictures.parquet is written.

    A picture that cannot be read does not stop the others: it is named at the end, with exit status 2.
    """
    # Imported here, so that help and usage errors do not wait for decoders and torch.
    from pixelwise.bulk.job import BulkJob
    from pixelwise.bulk.merging import merge_shards
    from pixelwise.bulk.request import Request
    from pixelwise.bulk.shards import Shard
    from pixelwise.cli.progress import Terminal
    from pixelwise.inference.labelling.jobs import Options, by_pages, collect, unused_lines
    from pixelwise.inference.labelling.label import check_possible
    from pixelwise.inference.labelling.object_lists import listed_name
    from pixelwise.inference.labelling.outputs import PICTURE_TABLE, check_not_overwritten, parse_kinds
    from pixelwise.inference.labelling.picture_table import TABLE_FILE
    from pixelwise.io.outputs import make_folder
    from pixelwise.io.parquet import require_parquet
    from pixelwise.io.pictures.depth import parse_range
    from pixelwise.io.shapes.coco_ids import CocoIds
    from pixelwise.types import object_space

    kinds = parse_kinds(split_words(save))
    part = None if shard is None else Shard.parse(shard)
    check_engine(engine, workers, part, merge)
    in_parts = engine is not None or part is not None or merge
    if in_parts and PICTURE_TABLE not in kinds:
        kinds = (*kinds, PICTURE_TABLE)
    if PICTURE_TABLE in kinds:
        require_parquet(TABLE_FILE)
    options = Options(kinds, crf=crf, resume=resume)
    if like is not None and "coco" not in options.kinds:
        raise SettingError(
            f"{like}: ids are taken from it for predictions.json, which is not wanted; add coco to --save, or leave "
            "this out",
            argument="like",
        )
    collected = collect(inputs, out, keep=None if part is None else part.holds)
    jobs = by_pages(collected.jobs) if pages else collected.jobs
    check_not_overwritten(jobs, out, options.kinds)
    use_huge_pages()
    models = find_models(model)
    precision = "auto"
    if (resume or in_parts) and runtime == "auto":
        runtime, precision = computed_before(out, models, in_shards=part is not None or merge)
    request = Request(
        models=tuple(models),
        options=options,
        runtime=runtime,
        precision=precision,
        device=device,
        mode=cast("Mode", mode),
        tile=tile,
        memory=memory,
        score=score,
        min_area=min_area,
        tta=tuple(split_words(tta)),
        value_range=parse_range(value_range),
        like=like,
    )
    predictor = request.open()
    check_possible(predictor, options)
    if like is not None:
        CocoIds.read(like).check(map(listed_name, jobs), object_space(predictor.label_space).names)
    request = request.fixed(predictor)
    terminal = Terminal(Console(soft_wrap=True))
    if predictor.runtime.note:
        terminal.say(f"computed by {predictor.runtime.note}")
    started = time.monotonic()
    if merge:
        summary = merge_shards(request, jobs, out, predictor)
    else:
        make_folder(out, "out")
        if part is not None and runtime == "auto":
            request, predictor = agreed_with(request, predictor, part, out)
        job = BulkJob(request, jobs, out, predictor, shard=part, resume=None if in_parts else resume)
        summary = job.run(make_engine(job, predictor, terminal, workers if engine else 0), terminal)
    good = summary.pictures - len(summary.errors)
    done_in = f"{counted(good, 'picture', of=summary.pictures)} in {time.monotonic() - started:.1f} s: {out}"
    if summary.finished_before:
        before = summary.finished_before
        done_in += f" ({before} of them {agreeing(before, 'was')} finished before)"
    terminal.say(done_in)
    for line in [*summary.notes, *unused_lines(collected.unused)]:
        terminal.say(line)
    if summary.errors:
        failed = "\n  ".join(map(worded, summary.errors.values()))
        raise DataError(
            f"{counted(len(summary.errors), 'picture', of=summary.pictures)} could not be labelled:\n  {failed}"
        )


def check_engine(engine: str | None, workers: int | None, shard: Shard | None, merge: bool) -> None:
    """Make sure that what says who labels fits together.

    Raises:
        SettingError: it does not.
    """
    if engine not in (None, *ENGINES):
        raise SettingError(unknown_name("engine", str(engine), ENGINES), argument="engine")
    if workers is not None and engine is None:
        raise SettingError("these are the processes of --engine local; add that, or leave this out", argument="workers")
    if merge and (shard is not None or engine is not None):
        raise SettingError(
            "this joins what shards have written and labels nothing; leave out --shard, --engine and --workers",
            argument="merge",
        )


def make_engine(job: BulkJob, predictor: Predictor, listener: Terminal, workers: int | None) -> Engine:
    """Make what labels the pictures of a job: this process if ``workers`` is 0, or others."""
    from pixelwise.bulk.local import local_engine
    from pixelwise.bulk.one_process import one_process

    if workers == 0:
        return one_process(job.request, job.out, predictor, listener)
    return local_engine(job.request, job.out, listener, workers=workers, prepare=keep_large_blocks)


def worded(error: DataError) -> str:
    """Word why a picture could not be labelled, with the option that mends it."""
    return message_of(error) + ("; --pages labels them one by one" if isinstance(error, PagesError) else "")


def computed_before(out: Path, models: list[str | Path], *, in_shards: bool) -> tuple[str, str]:
    """Give the library and the precision of a stopped job or of other shards: others would give other labels.

    They are auto where there was no job, or one of another kind of model, which then begins anew.
    """
    from pixelwise.bulk.shards import shared_settings
    from pixelwise.inference.labelling.finished import recorded_settings
    from pixelwise.inference.runtimes.catalogue import EXPORTED_SUFFIXES

    begun = shared_settings(out) if in_shards else recorded_settings(out)
    exported = any(Path(path).suffix in EXPORTED_SUFFIXES for path in models)
    if "runtime" not in begun or (begun["runtime"] == "torch") == exported:
        return "auto", "auto"
    return str(begun["runtime"]), str(begun["precision"])


def agreed_with(request: Request, predictor: Predictor, shard: Shard, out: Path) -> tuple[Request, Predictor]:
    """Compute as the first shard of a folder does, if that is another one which began at the same time."""
    from pixelwise.bulk.shards import first_settings

    first = first_settings(shard.settings(request.settings(predictor)), out)
    agreed = replace(request, runtime=first["runtime"], precision=first["precision"])
    return (request, predictor) if agreed == request else (agreed, agreed.open())


def find_models(text: str) -> list[str | Path]:
    """Take apart the models of an ensemble; a path that exists as it stands is one model, commas and all."""
    return [Path(text)] if Path(text).exists() else [Path(part) for part in split_words(text)]
