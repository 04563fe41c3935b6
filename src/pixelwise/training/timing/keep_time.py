"""Ending a run in time: it is shortened when its steps take longer than they were measured to.

If steps take less time than that, because what disturbed them has ended, it gets more of them.
"""

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
from pixelwise.training.timing.schedule import MOST_LENGTHENING, Schedule
from pixelwise.words import counted

RECENT_STEPS = 30
"""The newest steps, whose mean time is the pace."""
FEWEST_STEPS_FOR_PACE = 5
LATENESS = 0.03
"""The share of the time left by which a run may be late before it is shortened; the pace is not known better."""
SLACK = 0.1
"""The share of the time left that must be free before a run is lengthened, and of its steps that must be left, so that
it does not waver."""
LEAST_CHANGE = 0.02
"""The least share of the planned steps by which the run changes, unless it is the last change possible."""


class KeepTime(pl.Callback):
    """Shorten a run that would miss its deadline, so that its learning rate still ends at zero.

    A run that would end early is lengthened. Decisions are written into the run folder before they take effect. All
    processes follow the first one.

    Args:
        run: the run folder.
        schedule: the schedule of the run, which is changed.
        budget: the time of the whole command; None for no limit.
        validation_seconds: measured seconds of a validation; replaced by those of the run.
        listener: it is told of changes.
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
        """Record the time of the step, and change the run if it is late, or early after that."""
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
            self.schedule.change(step, steps)
            trainer.fit_loop.epoch_loop.max_steps = steps
            if trainer.is_global_zero:
                self.schedule.save(self.run)
                pace = f"a step takes {sum(self._steps) / len(self._steps):.2g} s now"
                ends = f"the run ends after {counted(steps, 'step')} and not {before}"
                if steps < before:
                    self.listener.warn(f"{pace}, longer than planned: {ends}, to keep to its time")
                else:
                    self.listener.say(f"{pace}, less than planned: {ends}")
        if step == self.schedule.steps and step % self.schedule.settings.validate_every:
            trainer.val_check_batch = (
                step * trainer.accumulate_grad_batches
            )  # the last weights are validated, whatever the interval

    def _affordable(self, step: int, now: float) -> int | None:
        """The steps of the whole run that fit into the time; None if it need not change."""
        if self.budget is None or len(self._steps) < FEWEST_STEPS_FOR_PACE or step >= self.schedule.steps - 1:
            return None
        seconds = self.budget.deadline(self.validation_seconds) - now
        needed, planned = self._seconds(step, self.schedule.steps), self.schedule.settings.steps
        late = needed > seconds + LATENESS * max(0.0, seconds)
        early = needed < (1 - SLACK) * seconds and step < (1 - SLACK) * self.schedule.steps
        if not (late or early):
            return None
        steps = self.schedule.steps if late else MOST_LENGTHENING * planned
        while steps > step + 1 and self._seconds(step, steps) > seconds:
            steps -= max(1, (steps - step) // 200)
        last = steps == step + 1
        small = abs(steps - self.schedule.steps) < LEAST_CHANGE * planned
        return None if steps == self.schedule.steps or (small and not last) else steps

    def _seconds(self, step: int, steps: int) -> float:
        """The seconds that the rest takes after a step if the run has ``steps``, validations included."""
        interval = self.schedule.settings.validate_every
        validations = math.ceil(steps / interval) - step // interval
        return (steps - step) * sum(self._steps) / len(self._steps) + validations * self.validation_seconds

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note when a validation begins."""
        self._validating_since = self._clock()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the validation's time, which the next step's does not include."""
        now = self._clock()
        self.validation_seconds = now - self._validating_since
        self._since = now
