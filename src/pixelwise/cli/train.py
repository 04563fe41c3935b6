"""``pixelwise train``: plan, train, score, report."""

from __future__ import annotations

import re
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pixelwise.errors import SettingError

COMMAND_STARTED = time.monotonic()
"""When the command began; ``--minutes`` counts from here."""


def train(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="Folder of pictures and masks, or a dataset.yaml.", show_default=False),
    ],
    model: Annotated[
        str | None, typer.Option(help="unet, deeplabv3plus, fcn, mask_rcnn, or a paper's: see pixelwise models.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Any convolutional timm encoder, or a paper's trunk.")] = None,
    upsampling: Annotated[
        str | None, typer.Option(help="nearest, bilinear, transposed or unpool, where the model has it.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="ce, dice, jaccard, lovasz, focal, tversky, focal_tversky, ohem; or a sum: 0.5*ce+dice."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="auto (ImageNet if at hand), none, or a model file.")] = None,
    size: Annotated[str | None, typer.Option(help="Training crop as HxW.", metavar="HxW")] = None,
    batch: Annotated[int | None, typer.Option(help="Crops a step, over all devices.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides the split, the crops and fresh weights.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Fit the whole run into this time.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Or: how often every pixel is seen on average.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/DATA-MODEL by default.")] = None,
    value_range: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Stored numbers that become black and white; measured unless given."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in the folder.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="With --resume: go on although the data have changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop; nothing is written.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every setting of the plan.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out pictures that cannot be used, instead of refusing all.")
    ] = False,
    devices: Annotated[int | None, typer.Option(help="Devices on this machine (GPUs, or CPU processes).")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines; start the same command on each, see docs.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of settings, such as a run's settings.yaml.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any setting as KEY=VALUE; may repeat.")] = None,
) -> None:
    """Train a network on your own pictures and masks.

    Settings are planned from the data and the machine, each with its reason; any of them can be set.
    """
    # Imported here, so that help, usage errors and folders that no layout fits do not wait for torch.
    from pixelwise.data.locate import locate

    located = locate(data)
    from pixelwise.cli.progress import Terminal
    from pixelwise.io.pictures.depth import parse_range

    console = Console()
    terminal = Terminal(console)
    with terminal.waiting("loading torch and what trains networks"):
        from pixelwise.cli.tables import print_evaluation
        from pixelwise.runs.train import check_settings
        from pixelwise.runs.train import train as run_training
        from pixelwise.training.settings import read_overrides

    given: dict[str, Any] = {
        "model": model,
        "encoder": encoder,
        "loss": loss,
        "weights": weights,
        "batch": batch,
        "seed": seed,
        "devices": devices,
        "nodes": nodes,
        "value_range": parse_range(value_range),
    }
    settings = read_overrides(config, set_ or []) | {key: value for key, value in given.items() if value is not None}
    crop = None if size is None else parse_size(size)
    check_settings(settings, minutes=minutes, epochs=epochs, size=crop, upsampling=upsampling)
    run = run_training(
        located,
        out=out,
        minutes=minutes,
        epochs=epochs,
        resume=resume,
        accept_changes=accept_changes,
        skip_bad=skip_bad,
        size=crop,
        upsampling=upsampling,
        dry_run=dry_run,
        verbose=verbose,
        started=COMMAND_STARTED,
        listener=terminal,
        commands=("pixelwise " + shlex.join(sys.argv[1:]),),
        **settings,
    )
    if run.evaluation is not None:
        print_evaluation(console, run.evaluation)
        terminal.say(f"\nmodel:  {run.folder.model_file}\nreport: {run.folder.report_file}")
    elif run.stopped:
        terminal.say("go on with --resume")


def parse_size(text: str) -> tuple[int, int]:
    """Read ``HxW`` in pixels, such as 288x384.

    Raises:
        SettingError: it is not two positive numbers.
    """
    found = re.fullmatch(r"(\d+)\s*[xX]\s*(\d+)", text.strip())
    if not found or min(int(side) for side in found.groups()) < 1:
        raise SettingError(f"{text}: expected height x width in pixels, such as 288x384", argument="size")
    return int(found[1]), int(found[2])
