"""Records of a run: a file of figures over the steps, and progress for a listener."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from pixelwise.io.atomic import atomic_path
from pixelwise.listener import Progress
from pixelwise.training.callbacks import KeepBest, completes_step
from pixelwise.training.run_folder import RunFolder

SECONDS_BETWEEN_NOTES = 0.5
"""The least seconds between two reports of a step to a listener."""


class MetricsFile(pl.Callback):
    """Append loss, learning rate and scores to ``metrics.csv``, one row every few steps and one per validation.

    After a resume, the rows of steps that are repeated are dropped, so that the file is like that of an unbroken run.

    Args:
        run: the run folder, which holds the file.
        every: steps from one row to the next.
        figures: the names of the figures that a validation logs as ``val/NAME``.
    """

    def __init__(self, run: RunFolder, *, every: int, figures: Sequence[str]) -> None:
        self.run = run
        self.every = every
        self.figures = tuple(figures)
        self.columns = ("step", "seconds", "loss", "learning_rate", *figures)
        self.seconds = 0.0
        self._losses: list[Tensor] = []
        self._resumed_at = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the rows up to the step that training continues from."""
        self._resumed_at = time.monotonic()
        if not trainer.is_global_zero:
            return
        kept = [row for row in read_metrics(self.run) if int(row["step"]) <= trainer.global_step]
        with atomic_path(self.run.metrics_file) as beside, beside.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, self.columns)
            writer.writeheader()
            writer.writerows(kept)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect the loss; write its mean when the interval is full."""
        self._losses.append(loss_of(outputs, trainer))  # read later: reading a number from a GPU makes it wait
        if not completes_step(trainer, batch_idx):
            return
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            loss = float(torch.stack(self._losses).mean())
            rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
            self._losses.clear()
            self._write(trainer, loss=f"{loss:.6f}", learning_rate=f"{rate:.3e}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the scores of a validation."""
        metrics = trainer.callback_metrics
        if trainer.state.fn == "fit" and all(f"val/{name}" in metrics for name in self.figures):
            self._write(trainer, **{name: f"{metrics[f'val/{name}']:.6f}" for name in self.figures})

    def _write(self, trainer: pl.Trainer, **values: str) -> None:
        if trainer.is_global_zero:
            with self.run.metrics_file.open("a", newline="") as opened:
                row = {"step": trainer.global_step, "seconds": f"{self._elapsed():.1f}", **values}
                csv.DictWriter(opened, self.columns).writerow(row)

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._resumed_at

    def state_dict(self) -> dict[str, Any]:
        """Save the time trained so far."""
        return {"seconds": self._elapsed()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time trained so far."""
        self.seconds = state_dict["seconds"]


def loss_of(outputs: Any, trainer: pl.Trainer) -> Tensor:
    """The loss of a batch; Lightning gives its share in the step, if a step has several batches."""
    loss: Tensor = outputs["loss"].detach() * trainer.accumulate_grad_batches
    return loss


def read_metrics(run: RunFolder) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``; empty where there is no file yet."""
    if not run.metrics_file.is_file():
        return []
    with run.metrics_file.open(newline="") as opened:
        return list(csv.DictReader(opened))


class ShowProgress(pl.Callback):
    """Tell a listener which step a run is at, with the loss of the step and the best score so far.

    Args:
        progress: the progress of the listener, for a run of these steps.
        best: holds the best score.
    """

    def __init__(self, progress: Progress, best: KeepBest) -> None:
        self.progress = progress
        self.best = best
        self._told_at = -math.inf
        self._loss: Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the step that training begins at or continues from."""
        self.progress(trainer.global_step, trainer.max_steps)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the step; some of quick steps are skipped, because reading the loss from a GPU makes it wait."""
        self._loss = loss_of(outputs, trainer)
        if trainer.global_step == trainer.max_steps or time.monotonic() - self._told_at > SECONDS_BETWEEN_NOTES:
            self._tell(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the best score, which may have changed."""
        self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        if self._loss is None:
            return
        self._told_at = time.monotonic()
        best = f", best {self.best.name} {self.best.best:.3f}" if self.best.best >= 0 else ""
        self.progress(trainer.global_step, trainer.max_steps, f"loss {float(self._loss):.3f}{best}")
