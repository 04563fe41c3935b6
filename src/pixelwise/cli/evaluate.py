"""``pixelwise evaluate``: score a model on pictures with masks or objects."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from pixelwise.cli.inputs import split_words
from pixelwise.io.outputs import check_file, make_folder
from pixelwise.listener import tell_each

if TYPE_CHECKING:
    from pixelwise.tiling import Mode


def evaluate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Run folder, .safetensors or exported file.", show_default=False)
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
    value_range: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Stored numbers that become black and white; as learnt unless given."),
    ] = None,
    runtime: Annotated[str, typer.Option(help="auto, torch, or onnx or openvino for exported files.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    mode: Annotated[
        str, typer.Option(help="Tiles that equal the whole (exact), that see less around them (fast), or auto.")
    ] = "auto",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out pictures that cannot be used, instead of refusing all.")
    ] = False,
    devices: Annotated[
        int, typer.Option(min=1, help="Processes that score: one for each GPU, or sharing the cores.")
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="DIR", help="Write report.html, and full sizes of its pictures, into this folder."
        ),
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

    # Imported here, so that help, usage errors and folders that no layout fits do not wait for torch.
    from pixelwise.data.locate import locate

    located = locate(data)
    from pixelwise.cli.progress import Terminal
    from pixelwise.cli.tables import print_evaluation
    from pixelwise.io.atomic import write_json
    from pixelwise.io.pictures.depth import parse_range
    from pixelwise.runs.evaluate import score

    console = Console(stderr=json_file == "-")
    terminal = Terminal(console)
    scored = score(
        model,
        located,
        split=split,
        tta=split_words(tta),
        value_range=parse_range(value_range),
        runtime=runtime,
        device=device,
        mode=cast("Mode", mode),
        skip_bad=skip_bad,
        devices=devices,
        listener=terminal,
    )
    evaluation = scored.evaluation
    print_evaluation(console, evaluation)

    if json_file == "-":
        print(json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    elif json_file is not None:
        write_json(json_file, evaluation.to_dict())
    if csv_file is not None:
        evaluation.write_csv(csv_file)
    if report is not None:
        from pixelwise.report import write_report

        command = f"pixelwise evaluate {shlex.quote(str(model))} {shlex.quote(str(data))}"
        given: tuple[tuple[str, str | None], ...] = (("--split", split), ("--tta", tta), ("--value-range", value_range))
        chosen = (("--runtime", runtime), ("--device", device), ("--mode", mode))
        given += tuple((name, value) for name, value in chosen if value != "auto")
        options = "".join(f" {name} {shlex.quote(value)}" for name, value in given if value)
        examples, stamps = scored.judged.examples(evaluation), scored.judged.stamps(evaluation)
        total = len(examples) + len(stamps)
        with terminal.progress("drawing", total) as progress:
            write_report(
                report / "report.html",
                title=f"{model.stem if model.is_file() else model.resolve().name} on "
                f"{scored.source.root.resolve().name}",
                evaluation=evaluation,
                examples=tell_each(examples, progress, total),
                stamps=tell_each(stamps, progress, total, done=len(examples)),
                notes=(f"Scored: {scored.chosen}.",),
                commands=(command + options,),
            )
        terminal.say(f"\nreport: {report / 'report.html'}")
