"""Training from a folder to a finished run, as ``pixelwise train`` and :func:`pixelwise.train` do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixelwise.data.doctor.diagnosis import diagnose
from pixelwise.data.locate import Located, locate
from pixelwise.data.source import DataSource
from pixelwise.errors import SettingError
from pixelwise.listener import Listener, Silent
from pixelwise.runs.finish import Run, finish
from pixelwise.runs.preview import Preview
from pixelwise.training.catalogue import default_model
from pixelwise.training.fit import fit, plan
from pixelwise.training.resuming.data_record import DataRecord
from pixelwise.training.resuming.settings_held import held_settings
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import check_names

LOOKING_SHARE = 0.1
"""The share of a run's minutes that checking all pictures may take; the others are checked when training reads them."""


def train(
    data: str | os.PathLike[str] | Located | DataSource,
    *,
    out: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    skip_bad: bool = False,
    size: tuple[int, int] | None = None,
    upsampling: str | None = None,
    dry_run: bool = False,
    verbose: bool = False,
    started: float | None = None,
    listener: Listener | None = None,
    commands: Sequence[str] = (),
    **settings: Any,
) -> Run:
    """Train a network on pictures and masks or objects, score it, and write the report.

    Args:
        data: a folder or a ``dataset.yaml``, whose pictures are all checked first, or what
            :func:`pixelwise.open_data` gave.
        out: the run folder; ``runs/DATA-MODEL`` by default.
        minutes: time for the whole run; or None.
        epochs: instead of a time, how often every pixel is seen on average; or None.
        resume: whether to continue the unfinished run in the folder, with its split, seed, classes and settings;
            settings that contradict them are refused, and so are data that have changed.
        accept_changes: whether a resumed run may go on with data that have changed.
        skip_bad: whether to leave out pictures that cannot be used, instead of refusing the data.
        size: height and width of the training crops in pixels.
        upsampling: ``nearest``, ``bilinear``, ``transposed`` or ``unpool``, if the model has it.
        dry_run: whether to stop after the plan, which is shown; nothing is trained or written.
        verbose: whether the whole plan is shown, or the settings that people change most.
        started: the value of ``time.monotonic()`` at the beginning of ``minutes``; now by default.
        listener: it is told the settings and the progress of the run; by default there is none.
        commands: the commands that give the same results again, for the report.
        **settings: any setting of :class:`pixelwise.training.settings.Settings` by its name, such as ``model``,
            ``encoder``, ``weights``, ``batch``, ``seed`` or ``devices``; the plan chooses those that are not given.

    Returns:
        The run. It has no evaluation if training was stopped before its end or was only planned, nor in other processes
        than the first.

    Raises:
        PixelwiseError: the data, the folder, the model or a setting cannot be used.
    """
    listener = Silent() if listener is None else listener
    fixed = check_settings(settings, minutes=minutes, epochs=epochs, size=size, upsampling=upsampling)
    seed = int(fixed.get("seed", 0))
    if resume:
        if dry_run:
            raise SettingError("a run that is resumed has its plan already, in settings.yaml", argument="dry_run")
        run = RunFolder(_folder(data, out, fixed))
        run.open(resume=True)
        seed = held_settings(run, fixed).seed
        skip_bad = skip_bad or bool(DataRecord.load(run.splits_file).left_out)
    if isinstance(data, DataSource):
        source = data
    else:
        seconds = None if minutes is None else LOOKING_SHARE * 60 * minutes
        diagnosis = diagnose(data, seed=seed, seconds=seconds, listener=listener)
        source = diagnosis.usable_source(skip_bad=skip_bad)
    for note in source.notes:
        listener.say(note)
    if source.left_out:
        listener.say(f"left out because they cannot be used: {', '.join(source.left_out)}")
    run = RunFolder(_folder(source, out, fixed))
    if dry_run:
        planned = plan(
            source,
            fixed=fixed,
            minutes=minutes,
            epochs=epochs,
            started=started,
            verbose=verbose,
            listener=listener,
        )
        return Run(run, planned, None)
    fitted = fit(
        source,
        run,
        fixed=fixed,
        minutes=minutes,
        epochs=epochs,
        resume=resume,
        accept_changes=accept_changes,
        started=started,
        verbose=verbose,
        listener=listener,
        watch=lambda settings, source: Preview(run, settings, source),
    )
    if fitted.finished and fitted.first:
        return finish(fitted.run, fitted.settings, fitted.source, listener=listener, commands=commands)
    return Run(fitted.run, fitted.settings, None, stopped=fitted.first)


def _folder(
    data: str | os.PathLike[str] | Located | DataSource, out: str | os.PathLike[str] | None, fixed: Mapping[str, Any]
) -> Path:
    """The run folder: the one that was asked for, else one named by the data and the model."""
    if out is not None:
        return Path(out)
    if not isinstance(data, DataSource | Located):
        data = locate(Path(data))
    splits = data.splits if isinstance(data, DataSource) else data.found.splits
    pairs = (pair for split in splits.values() for pair in split)
    return Path("runs") / f"{data.root.resolve().name}-{fixed.get('model') or default_model(pairs)}"


def check_settings(
    settings: Mapping[str, Any],
    *,
    minutes: float | None,
    epochs: float | None,
    size: tuple[int, int] | None,
    upsampling: str | None,
) -> dict[str, Any]:
    """Collect the settings that the caller gave.

    Raises:
        SettingError: there is no such setting, or time or epochs have an impossible value.
    """
    if minutes is not None and epochs is not None:
        raise SettingError("give a time or a number of epochs, not both", argument="minutes")
    for name, value in (("minutes", minutes), ("epochs", epochs)):
        if value is not None and value <= 0:
            raise SettingError(f"must be positive, got {value:g}", argument=name)
    fixed = {name: value for name, value in settings.items() if value is not None}
    check_names(fixed)
    if size is not None:
        fixed["crop"] = size
    if upsampling is not None:
        fixed["model_options"] = {**fixed.get("model_options", {}), "upsampling": upsampling}
    return fixed
