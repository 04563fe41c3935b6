"""Train a network on a folder of pictures and masks, from data to a run folder."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging

from pixelwise.data.source import DataSource
from pixelwise.errors import SettingError
from pixelwise.listener import Listener, Silent
from pixelwise.models import Model, SegmentationModel
from pixelwise.training.callbacks import KeepBest, KeepState, StopGently
from pixelwise.training.catalogue import course_for, default_model
from pixelwise.training.course import Setup
from pixelwise.training.initial_weights import fill_weights, leave_out_unread
from pixelwise.training.journal import MetricsFile, ShowProgress
from pixelwise.training.memory import explained_memory, measure_within_memory, trial_settings
from pixelwise.training.nonfinite import StopAtNonFinite
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.plan_parts import plan_steps
from pixelwise.training.resuming.data_held import hold_data, tell_moved
from pixelwise.training.resuming.data_record import DataRecord
from pixelwise.training.resuming.settings_held import held_settings
from pixelwise.training.resuming.states import find_state
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings
from pixelwise.training.timing.budget import Budget
from pixelwise.training.timing.keep_time import KeepTime
from pixelwise.training.timing.pace import MOST_TIMING_SECONDS
from pixelwise.training.timing.schedule import Schedule
from pixelwise.training.workers import explained_workers
from pixelwise.words import counted

DEFAULT_CPU_MINUTES = 30.0
DEFAULT_GPU_EPOCHS = 100.0
FEWEST_STEPS = 40
"""If fewer steps fit into the time, they are made smaller: fewer and smaller crops."""
LEAST_WORK = 1 / 16
"""The least share of its usual work to which a step is made smaller."""


@dataclass(frozen=True)
class Fitted:
    """The result of :func:`fit`."""

    run: RunFolder
    settings: Settings
    source: DataSource
    """The data, with the split that the run trained on."""
    finished: bool
    """False if training was stopped early; the run can then be resumed."""
    first: bool
    """Whether this is the process that scores and reports; the only one unless several devices train."""


def fit(
    source: DataSource,
    run: RunFolder,
    *,
    fixed: Mapping[str, Any],
    minutes: float | None = None,
    epochs: float | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    started: float | None = None,
    verbose: bool = False,
    listener: Listener | None = None,
    watch: Callable[[Settings, DataSource], pl.Callback] | None = None,
) -> Fitted:
    """Train a network; all results are in the run folder.

    On several devices every process calls this; the first one plans, the others read its settings.

    Args:
        source: the data; splits "train" and "val" are used.
        run: the run folder.
        fixed: settings given by hand; the plan fills in the others.
        minutes: time for the whole run, measured from ``started``; or None.
        epochs: instead of a time, how often every pixel is seen on average; or None.
        resume: continue the unfinished run in the folder, with its split, seed, classes and settings.
        accept_changes: whether a resumed run may go on with data that have changed since it began.
        started: ``time.monotonic()`` when the clock of ``minutes`` began; now by default.
        verbose: whether the listener is shown the whole plan, or the settings that people change most.
        listener: is told what is decided and how far the run is; nobody by default.
        watch: makes a callback that sees each validation with the weights that are validated.

    Raises:
        PixelwiseError: the folder, a setting, the model or the data cannot be used.
    """
    started = time.monotonic() if started is None else started
    first = _is_first_process()
    if listener is None or not first:
        listener = Silent()
    if accept_changes and not resume:
        raise SettingError("only a run that is resumed has data that can have changed", argument="accept_changes")
    if first:
        run.open(resume=resume)
    checkpoint = None
    budget, pace = None, (0.0, 0.0)
    if first and not resume:
        pl.seed_everything(int(fixed.get("seed", 0)), verbose=False)
        settings, setup, view, budget, pace = _plan_new(source, fixed, minutes, epochs, started, listener)
        DataRecord.of(view, listener).save(run.splits_file)
        settings.save(run.settings_file)
        _show_plan(settings, listener, verbose=verbose, where=f"; all are in {run.settings_file}")
    else:
        settings = held_settings(run, fixed)
        pl.seed_everything(settings.seed, verbose=False)
        record = DataRecord.load(run.splits_file)
        moved = record.moved(source) if resume else {}
        if moved:
            listener.warn(tell_moved(moved, source.root, run.path))
        source = record.restore(source)
        course = course_for(settings.model)
        view = course.view(source)
        if resume and first:
            hold_data(run, record, view, listener, accept_changes=accept_changes)
            settings.save(run.settings_file)
        setup = course.set_up(view, settings)
        if resume:
            checkpoint = _go_on(run, settings, setup, listener, budget=minutes is not None or epochs is not None)
    leave_out_unread(setup.model, listener)
    if settings.channels_last:
        setup.model.to(memory_format=torch.channels_last)
    schedule = Schedule.load(run, settings)
    best, state = KeepBest(run), KeepState(run)
    time_kept = KeepTime(run, schedule, budget=budget, validation_seconds=pace[1], listener=listener)
    stop = StopGently(state)
    average = EMAWeightAveraging(decay=settings.ema_decay)
    every = max(1, min(50, settings.steps // 100))
    metrics = MetricsFile(run, every=every, figures=course_for(settings.model).figures)
    with listener.progress("training", schedule.steps) as progress, _quiet_libraries():
        # The order matters: the best model is saved before averaging restores the raw weights after a validation, and a
        # state is saved after averaging has included the step.
        shown = ShowProgress(progress, best)
        watching = [] if watch is None else [watch(settings, source)]
        always = [StopAtNonFinite(settings), time_kept, metrics, best]
        callbacks = [*always, *watching, average, state, stop, shown]
        trainer = _make_trainer(run, settings, schedule.steps, callbacks)
        stream = setup.stream(settings)
        with explained_memory(settings, run), explained_workers(stream.watched, run):
            trainer.fit(
                setup.task(settings, schedule),
                datamodule=stream,
                ckpt_path=checkpoint,
                weights_only=True if checkpoint else None,
            )
    if stop.asked:
        listener.say(f"stopped at step {trainer.global_step} of {schedule.steps}")
    return Fitted(run, settings, source, finished=not stop.asked, first=first)


def _is_first_process() -> bool:
    """Whether this process plans and reports; known from the launcher before anything distributed is set up."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(os.environ.get(rank, "0") == "0" for rank in ranks)


def plan(
    source: DataSource,
    *,
    fixed: Mapping[str, Any],
    minutes: float | None = None,
    epochs: float | None = None,
    started: float | None = None,
    verbose: bool = False,
    listener: Listener | None = None,
) -> Settings:
    """Plan a run as :func:`fit` does, which times a few steps, and show the plan; nothing is trained or written.

    Args and errors are those of :func:`fit`.
    """
    started = time.monotonic() if started is None else started
    listener = Silent() if listener is None else listener
    pl.seed_everything(int(fixed.get("seed", 0)), verbose=False)
    settings, *_ = _plan_new(source, fixed, minutes, epochs, started, listener)
    _show_plan(settings, listener, verbose=verbose)
    return settings


def _show_plan(settings: Settings, listener: Listener, *, verbose: bool, where: str = "") -> None:
    rows = settings.rows(brief=not verbose)
    listener.table("the plan", rows)
    more = len(settings.rows()) - len(rows)
    if more:
        listener.say(f"{counted(more, 'more setting', 'is')} shown with verbose{where}")


def _plan_new(
    source: DataSource,
    fixed: Mapping[str, Any],
    minutes: float | None,
    epochs: float | None,
    started: float,
    listener: Listener,
) -> tuple[Settings, Setup[Model], DataSource, Budget | None, tuple[float, float]]:
    """Plan a new run: data, then model, then measured pace, then the number of steps."""
    machine = Machine.detect()
    if minutes is None and epochs is None:
        minutes, epochs = (DEFAULT_CPU_MINUTES, None) if machine.device == "cpu" else (None, DEFAULT_GPU_EPOCHS)
    budget = None if minutes is None else Budget(started, 60 * minutes)
    course = course_for(str(fixed.get("model") or default_model(source.pairs)))
    source = course.view(source)
    traits, plan_with = course.study(source, machine, fixed, listener)
    draft = plan_with(1.0)
    trial = trial_settings(draft)
    _check_devices(trial)
    setup = course.set_up(source, trial)
    fill_weights(setup.model, trial.weights, listener, partial=trial.partial)
    setup.warm(listener)
    device = torch.device(machine.device)
    most = MOST_TIMING_SECONDS if budget is None else budget.timing_seconds
    pace = measure_within_memory(setup, draft, device, listener, most_seconds=most)
    seconds = None
    if budget is not None:
        if isinstance(setup.model, SegmentationModel):
            budget = budget.with_halo(pictures=len(source.split("val")), size=traits.median_size)
        seconds = budget.for_training(pace[1])
        work = max(LEAST_WORK, (seconds - pace[1]) / (FEWEST_STEPS * pace[0]))
        if work < 1:
            smaller = plan_with(work)
            if trial_settings(smaller) != trial:
                draft = smaller
                pace = measure_within_memory(setup, draft, device, listener, most_seconds=most / 2)
                seconds = budget.for_training(pace[1])
        if seconds < 2 * pace[0] + pace[1]:
            raise SettingError(budget.too_short(pace), argument="minutes")
    plan_steps(draft, traits, epochs=epochs, seconds=seconds, pace=pace)
    return Settings.make({**draft.values, "reasons": draft.reasons}), setup, source, budget, pace


def _go_on(run: RunFolder, settings: Settings, setup: Setup[Model], listener: Listener, *, budget: bool) -> Path | None:
    """Find the state that a resumed run goes on from; without one, fill in the weights that it begins with."""
    state = find_state(run, setup.model.state_dict(), listener)
    step = "the beginning" if state is None else f"step {state.step} of {settings.steps}"
    listener.say(f"resuming {run.path} at {step}")
    if budget:
        listener.say(f"the run keeps its {counted(settings.steps, 'step')}; a time or epochs given now change nothing")
    if state is None:
        fill_weights(setup.model, settings.weights, listener, partial=settings.partial)
        return None
    return state.path


def _check_devices(settings: Settings) -> None:
    replicas = settings.devices * settings.nodes
    if settings.batch % replicas:
        raise SettingError(
            f"batch {settings.batch} does not divide among {counted(replicas, 'device')}; choose a multiple of it"
        )
    if settings.batch % (replicas * settings.accumulate):
        raise SettingError(
            f"accumulate {settings.accumulate} does not divide the {counted(settings.batch // replicas, 'crop')} of a "
            "step on a device; choose a divisor"
        )
    available = torch.cuda.device_count() if torch.cuda.is_available() else None
    if available is not None and settings.devices > available:
        raise SettingError(f"{settings.devices} are asked for, but this machine has {available}", argument="devices")


def _make_trainer(run: RunFolder, settings: Settings, steps: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    distributed = settings.devices * settings.nodes > 1
    loggers = []
    try:
        from pytorch_lightning.loggers import TensorBoardLogger

        loggers.append(TensorBoardLogger(run.path, name="", version="tensorboard"))
    except ModuleNotFoundError:  # TensorBoard is an extra; metrics.csv is always written
        pass
    return pl.Trainer(
        accelerator="auto",
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy="ddp" if distributed else "auto",
        precision=settings.precision,
        max_steps=steps,
        accumulate_grad_batches=settings.accumulate,
        val_check_interval=settings.validate_every * settings.accumulate,  # counted in batches
        check_val_every_n_epoch=None,
        gradient_clip_val=settings.gradient_clip or None,
        callbacks=callbacks,
        logger=loggers,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.path,
    )


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Hide Lightning's remarks on choices that are made on purpose; errors are still printed."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
            yield
    finally:
        logger.setLevel(level)
