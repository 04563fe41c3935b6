"""``pixelwise compare``: train models alike, or take finished runs, and compare them on one page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pixelwise.errors import SettingError

STOPPED = 130
"""Exit status when training was stopped before its end."""


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA | RUN...",
            help="With --models: a folder of pictures, or a dataset.yaml. Else run folders and model files.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for compare.html, compare.json and the runs.", show_default=False)],
    models: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Models to train, with options: unet:encoder=resnet18:loss=ce+dice."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="With finished runs: the folder of pictures that they are compared on.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time for each run.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Or: how often every pixel is seen on average.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each model, with the seeds 0, 1, ...; 1 by default.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="With finished runs: compare on this split only.")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out pictures that cannot be used, instead of refusing all.")
    ] = False,
    no_timing: Annotated[bool, typer.Option("--no-timing", help="Do not measure latency and memory.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of all models as KEY=VALUE; may repeat.")
    ] = None,
) -> None:
    """Compare models on the same pictures: scores with intervals, differences, cost, and where they differ most.

    With --models, each is trained under the same budget and seeds; the same command goes on where it stopped.
    """
    if models is not None:
        _refuse("with models that are trained", data=data, split=split)
        if len(paths) > 1:
            raise SettingError(f"models are trained on one folder, got {len(paths)}", argument="models")
    else:
        if data is None:
            raise SettingError("name models to train on DATA, or give finished runs and the data", argument="models")
        of_training = {"minutes": minutes, "epochs": epochs, "seeds": seeds, "set": set_ or None}
        _refuse("with finished runs", **of_training, skip_bad=skip_bad or None)

    # Imported here, so that help, usage errors and folders that no layout fits do not wait for torch.
    from pixelwise.data.locate import locate

    located = locate(paths[0] if data is None else data)
    from pixelwise.cli.comparison_table import print_comparison
    from pixelwise.cli.progress import Terminal
    from pixelwise.runs.compare import PAGE_FILE, compare_runs
    from pixelwise.runs.compare import compare as train_and_compare
    from pixelwise.runs.comparing.names import split_outside
    from pixelwise.training.settings import read_overrides

    console = Console()
    terminal = Terminal(console)
    commands = ("pixelwise " + shlex.join(sys.argv[1:]),)
    if models is None:
        found = compare_runs(
            paths, located, out=out, split=split, measure=not no_timing, listener=terminal, commands=commands
        )
    else:
        trained = train_and_compare(
            located,
            models=[name for name in split_outside(models, ",") if name],
            out=out,
            minutes=minutes,
            epochs=epochs,
            seeds=1 if seeds is None else seeds,
            skip_bad=skip_bad,
            measure=not no_timing,
            listener=terminal,
            commands=commands,
            **read_overrides(None, set_ or []),
        )
        if trained is None:
            terminal.say("stopped; the same command goes on from here")
            raise typer.Exit(STOPPED)
        found = trained
    print_comparison(console, found)
    terminal.say(f"\npage: {out / PAGE_FILE}")


def _refuse(where: str, **given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise SettingError(f"has no meaning {where}; leave it out", argument=name)
