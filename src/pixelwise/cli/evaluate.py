"""``pixelwise evaluate``: score a model on pictures with masks or objects."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pixelwise.cli.inputs import split_words
from pixelwise.errors import DataError
from pixelwise.io.outputs import check_file, make_folder
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.data.source import DataSource, Pair


def evaluate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Run folder or .safetensors file.", show_default=False)
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Folder of pictures and masks or objects, or a dataset.yaml.", show_default=False
        ),
    ],
    split: Annotated[str | None, typer.Option(help="Score this split only.")] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the scores as JSON; - prints them and only them."),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            help="Write a row for each picture: its scores by class or by object.",
        ),
    ] = None,
    tta: Annotated[
        str, typer.Option(help="Views to average, with commas: hflip, vflip, rotations, and zooms such as 0.75.")
    ] = "",
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write report.html with pictures into this folder.")
    ] = None,
) -> None:
    """Score a model on pictures with masks or objects, each at its own size.

    Without --split: the pictures kept for validation where DATA is what the model was trained on, else all.

    Masks are read by the mapping that the model was trained with. Where objects are annotated, AP and its relatives are
    computed for every model: of one that gives every pixel a class, the connected parts of the classes are the objects.
    """
    if json_file not in (None, "-"):
        check_file(Path(str(json_file)), "json")
    if csv_file is not None:
        check_file(csv_file, "csv")
    if report is not None:
        make_folder(report, "report")

    # Imported here, so that help and usage errors do not wait for torch.
    from pixelwise.cli.scoring import score_and_print
    from pixelwise.data.source import open_data
    from pixelwise.inference import Predictor
    from pixelwise.io.atomic import write_json

    console = Console(stderr=json_file == "-")
    predictor = Predictor(model, tta=split_words(tta))
    source = open_data(data, label_space=predictor.label_space)
    pairs, chosen = choose_pairs(model, source, split)
    console.print(f"{counted(len(pairs), 'picture')}: {chosen}", highlight=False, markup=False)
    evaluation, judged = score_and_print(predictor, pairs, console)

    if json_file == "-":
        print(json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    elif json_file is not None:
        write_json(json_file, evaluation.to_dict())
    if csv_file is not None:
        evaluation.write_csv(csv_file)
    if report is not None:
        from pixelwise.report import write_report

        command = f"pixelwise evaluate {shlex.quote(str(model))} {shlex.quote(str(data))}"
        given = (("--split", split), ("--tta", tta))
        options = "".join(f" {name} {shlex.quote(value)}" for name, value in given if value)
        write_report(
            report / "report.html",
            title=f"{model.stem if model.is_file() else model.resolve().name} on {source.root.resolve().name}",
            evaluation=evaluation,
            examples=judged.examples(evaluation),
            notes=(f"Scored: {chosen}.",),
            commands=(command + options,),
        )
        console.print(f"\nreport: {report / 'report.html'}", highlight=False, markup=False)


def choose_pairs(model: Path, source: DataSource, split: str | None) -> tuple[tuple[Pair, ...], str]:
    """Choose what to score, and say in words what was chosen.

    Raises:
        DataError: no such split, or pictures that the run kept for validation are gone.
    """
    from pixelwise.training.run_folder import saved_split

    ids = saved_split(model, source.root, split=split or "val")
    if ids is None:
        if split is not None:
            return source.split(split), f"split {split} of {source.root}"
        return tuple({pair.id: pair for pair in source.pairs}.values()), f"all of {source.root}"
    by_id = {pair.id: pair for pair in source.pairs}
    gone = [id for id in ids if id not in by_id]
    if gone:
        kept = f"picture that the run kept as {split or 'val'}"
        raise DataError(
            f"{source.root}: {counted(len(gone), kept, 'is', of=len(ids))} gone: "
            f"{', '.join(gone[:5])}; bring them back, or name a split with --split"
        )
    return tuple(by_id[id] for id in ids), f"split {split or 'val'} as the run {model} kept it"
