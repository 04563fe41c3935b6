"""Callbacks that save the best model and the newest state, and that stop a run in an orderly way."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any, cast

import pytorch_lightning as pl

from pixelwise.io.atomic import atomic_path, to_disk
from pixelwise.models import save_model
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.task_parts import ScoringTask


def completes_step(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Whether the weights changed after this batch, or it is one of several whose gradients are averaged first."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0


class KeepBest(pl.Callback):
    """Save the model whenever its validation score is the best so far; the file appears whole or not at all.

    This callback must come before the averaging callback in the list: when validation ends, the averaged weights that
    were scored must still be in the model.

    Args:
        run: where to save.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.best = -1.0
        self.name = ""
        """The name of the score; empty before the first score."""

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the model unless an earlier one scored better."""
        task = cast(ScoringTask, pl_module)
        score = task.score()  # callbacks run before the task, which logs the same figure
        self.name = score.name
        # Where nothing is annotated there is no score; the newest weights are then as good as any.
        if not score.value < self.best:
            self.best = max(score.value, self.best)
            if trainer.is_global_zero:
                save_model(task.model, self.run.model_file)

    def state_dict(self) -> dict[str, Any]:
        """Remember the best score across a resume."""
        return {"best": self.best, "name": self.name}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score of the run so far."""
        self.best, self.name = state_dict["best"], state_dict.get("name", "mIoU")


class KeepState(pl.Callback):
    """Save the state of training at intervals and after each validation, whole or not at all.

    This callback must come after the averaging callback in the list, so that the state of a step holds the average of
    that step.

    Args:
        run: where to save.
        every_seconds: the longest time between two saved states, which is the most that a killed run loses.
    """

    def __init__(self, run: RunFolder, *, every_seconds: float = 120.0) -> None:
        self.run = run
        self.every_seconds = every_seconds
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when the interval is over; all processes save at the same step."""
        if not completes_step(trainer, batch_idx):
            return
        due = time.monotonic() - self._saved_at > self.every_seconds
        if trainer.world_size > 1:
            due = trainer.strategy.broadcast(due)
        if due:
            self.save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state again, which now includes the score."""
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Write ``last.ckpt`` and keep the one before; every process of a distributed run must call this."""
        if trainer.is_global_zero:
            with atomic_path(self.run.checkpoint) as beside:
                trainer.save_checkpoint(beside)
                to_disk(beside)  # before the newest whole state gets another name
                if self.run.checkpoint.is_file():
                    self.run.checkpoint.replace(self.run.previous_checkpoint)
        else:
            trainer.save_checkpoint(self.run.checkpoint)
        self._saved_at = time.monotonic()


class StopGently(pl.Callback):
    """End training after the current step on the first Ctrl-C (or SIGTERM), with everything saved.

    A second Ctrl-C ends at once; the last checkpoint remains. This callback must come after the averaging callback,
    like :class:`KeepState`, which it uses for saving.
    """

    def __init__(self, keep: KeepState) -> None:
        self.keep = keep
        self.asked = False
        self._former: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the signal handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        for each, former in self._former.items():
            signal.signal(each, former)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if a stop was asked for, on all processes at the same step."""
        if not completes_step(trainer, batch_idx):
            return
        asked = self.asked
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            self.asked = True
            self.keep.save(trainer)
            trainer.should_stop = True
            # Otherwise Lightning would still validate, because it takes this for the end of an epoch.
            trainer.limit_val_batches = 0

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restore the previous signal handlers."""
        for number, former in self._former.items():
            signal.signal(number, former)
        self._former.clear()
