"""Ending a run in time: it is shortened when its steps take longer than they were measured to."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from pixelwise.listener import Listener
from pixelwise.training.callbacks import completes_step
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.timing.budget import Budget
from pixelwise.training.timing.schedule import Schedule
from pixelwise.words import counted

RECENT_STEPS = 30
"""The newest steps, whose mean time is the pace."""
FEWEST_STEPS_FOR_PACE = 5
LATENESS = 0.03
"""The share of the time left by which a run may be late before it is shortened; the pace is not known better."""
LEAST_CUT = 0.02
"""The least share of the planned steps that a cut takes away, unless it is the last one possible."""


class KeepTime(pl.Callback):
    """Shorten a run that would miss its deadline, so that its learning rate still ends at zero.

    The decision is written into the run folder before it takes effect. All processes follow the first one.

    Args:
        run: the run folder.
        schedule: the schedule of the run, which is cut.
        budget: the time of the whole command; None for no limit.
        validation_seconds: measured seconds of a validation; replaced by those of the run.
        listener: it is told of cuts.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        run: RunFolder,
        schedule: Schedule,
        *,
        budget: Budget | None,
        validation_seconds: float,
        listener: Listener,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self.schedule = schedule
        self.budget = budget
        self.validation_seconds = validation_seconds
        self.listener = listener
        self._clock = clock
        self._steps: deque[float] = deque(maxlen=RECENT_STEPS)
        self._since: float | None = None
        self._validating_since = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the time of the step, and shorten the run if it is late."""
        if not completes_step(trainer, batch_idx):
            return
        now = self._clock()
        if self._since is not None:
            self._steps.append(now - self._since)
        self._since = now
        step = trainer.global_step
        steps = self._affordable(step, now) if trainer.is_global_zero else None
        if trainer.world_size > 1:
            steps = trainer.strategy.broadcast(steps)
        if steps is not None:
            before = self.schedule.steps
            self.schedule.cut(step, steps)
            trainer.fit_loop.epoch_loop.max_steps = steps
            if trainer.is_global_zero:
                self.schedule.save(self.run)
                pace = sum(self._steps) / len(self._steps)
                self.listener.warn(
                    f"a step takes {pace:.2g} s now, longer than planned: the run ends after "
                    f"{counted(steps, 'step')} and not {before}, to keep to its time"
                )
        if step == self.schedule.steps and step % self.schedule.settings.validate_every:
            trainer.val_check_batch = (
                step * trainer.accumulate_grad_batches
            )  # the last weights are validated, whatever the interval

    def _affordable(self, step: int, now: float) -> int | None:
        """The steps of the whole run that fit into the time; None if it need not be shortened."""
        if self.budget is None or len(self._steps) < FEWEST_STEPS_FOR_PACE or step >= self.schedule.steps - 1:
            return None
        pace = sum(self._steps) / len(self._steps)
        left, interval = self.schedule.steps - step, self.schedule.settings.validate_every
        validations = math.ceil(self.schedule.steps / interval) - step // interval
        seconds = self.budget.deadline(self.validation_seconds) - now
        if left * pace + validations * self.validation_seconds <= seconds + LATENESS * max(0.0, seconds):
            return None
        fitting = left
        while fitting > 1:  # fewer steps have fewer validations, which leave time for more steps
            validations = math.ceil((step + fitting) / interval) - step // interval
            if fitting * pace + validations * self.validation_seconds <= seconds:
                break
            fitting -= max(1, left // 200)
        steps = step + max(1, fitting)
        small = self.schedule.steps - steps < LEAST_CUT * self.schedule.settings.steps
        return None if steps >= self.schedule.steps or (small and fitting > 1) else steps

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note when a validation begins."""
        self._validating_since = self._clock()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the validation's time, which the next step's does not include."""
        now = self._clock()
        self.validation_seconds = now - self._validating_since
        self._since = now
