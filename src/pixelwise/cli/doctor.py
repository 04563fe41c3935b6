"""``pixelwise doctor``: look at a data set before anything is learnt from it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

GRAVITY_COLORS = {"error": "bold red", "warning": "yellow", "note": "dim"}

PRINTED_DOUBTS = 20
"""Doubts of a model that are printed; --json and --report have more."""


def doctor(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of a data set, or a dataset.yaml.", show_default=False)
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="Rank what this trained model doubts most of the annotation.", show_default=False
        ),
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write a clean copy of the data into this new folder.")
    ] = None,
    mapping_only: Annotated[
        bool, typer.Option("--mapping-only", help="With --fix: write a dataset.yaml that points at DATA, and no copy.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page with pictures of each kind of finding.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the findings as JSON.")
    ] = None,
) -> None:
    """Look at every picture and mask of a data set, and say what would be misread, what is guessed, what is not used.

    Exit status 0: nothing is wrong. 1: there are errors, mended by --fix or not. 2: there is no such data, or no layout
    fits. The data themselves are never changed.
    """
    # Imported here, so that help and usage errors do not wait for decoders.
    from rich.markup import escape

    from pixelwise.cli.progress import Terminal
    from pixelwise.data.doctor.diagnosis import diagnose
    from pixelwise.errors import SettingError
    from pixelwise.io.atomic import write_json
    from pixelwise.io.outputs import check_file
    from pixelwise.words import counted

    if json_file is not None:
        check_file(json_file, "json")
    if mapping_only and fix is None:
        raise SettingError("it says what --fix writes; give --fix OUT, too", argument="mapping_only")
    console = Console(soft_wrap=True)
    listener = Terminal(console)
    predictor = None
    if model is not None:  # opened first, so that a wrong path is told before every picture is looked at
        from pixelwise.inference import Predictor

        predictor = Predictor(model)
    diagnosis = diagnose(data, listener=listener)
    for finding in diagnosis.findings:
        color = GRAVITY_COLORS[finding.gravity]
        console.print(f"[{color}]{finding.gravity}[/] {escape(finding.line)}", highlight=False)
    doubts = None
    if predictor is not None and diagnosis.source is not None:
        from pixelwise.runs.doubts import doubts_about

        doubts = doubts_about(data, diagnosis, predictor, listener=listener)
        # Doubts may outnumber annotations, because a model also sees what is not annotated.
        doubted, annotated = counted(len(doubts.found), "doubt"), counted(doubts.regions, "annotation")
        listener.say(f"the model has {doubted} about {annotated}, the greatest first:")
        for doubt in doubts.found[:PRINTED_DOUBTS]:
            listener.say(f"  {doubt.line}")
    if json_file is not None:
        write_json(json_file, diagnosis.to_dict() | ({} if doubts is None else doubts.to_dict()))
    if report is not None:
        from pixelwise.report.doctor_page import write_doctor_page

        name = data.resolve().name
        report.mkdir(parents=True, exist_ok=True)
        words = [shlex.join(["pixelwise", "doctor", str(data), "--fix", f"{name}-clean"])]
        write_doctor_page(report / "doctor.html", diagnosis, title=name, doubts=doubts, commands=words)
        listener.say(f"page: {report / 'doctor.html'}")
    if not diagnosis.layout_fits:
        raise typer.Exit(2)
    if fix is not None and not diagnosis.opened:
        listener.say(f"{fix} is not written: nothing of {data} can be used before the errors are mended")
    elif fix is not None:
        from pixelwise.data.doctor.mending import CHANGES, write_clean_copy, write_mapping

        changes = write_mapping(diagnosis, fix) if mapping_only else write_clean_copy(diagnosis, fix, listener=listener)
        listener.say(f"{fix}: {counted(len(changes), 'change')}, listed in {CHANGES}; nothing in it is an error")
    if not diagnosis.usable:
        raise typer.Exit(1)
