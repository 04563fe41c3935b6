"""What a run says of itself: a file of figures over the steps, and a line of progress with the time left."""

from __future__ import annotations

import csv
import os
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from pixelwise.io.atomic import atomic_path
from pixelwise.training.callbacks import KeepBest
from pixelwise.training.run_folder import RunFolder


class MetricsFile(pl.Callback):
    """Append loss, learning rate and scores to ``metrics.csv``, one row every few steps and one a validation.

    After a resume the rows of steps that are done again are dropped, so the file reads like that of an unbroken run.

    Args:
        run: where the file lies.
        every: steps from one row to the next.
        figures: what a validation logs, each as ``val/NAME``.
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
        """Keep the rows up to the step that training goes on from."""
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
        self._losses.append(outputs["loss"].detach())  # read later: asking a GPU for a number makes it wait
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
        """Remember the time trained so far."""
        return {"seconds": self._elapsed()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count on from the time trained so far."""
        self.seconds = state_dict["seconds"]


def read_metrics(run: RunFolder) -> list[dict[str, str]]:
    """Rows of ``metrics.csv``; empty where there is none yet."""
    if not run.metrics_file.is_file():
        return []
    with run.metrics_file.open(newline="") as opened:
        return list(csv.DictReader(opened))


class ProgressBar(pl.Callback):
    """One line: step, loss, best score, time gone and time left; plain lines where there is no terminal."""

    def __init__(self, console: Console, best: KeepBest) -> None:
        self.console = console
        self.best = best
        self._bar: Progress | None = None
        self._times: deque[float] = deque(maxlen=50)
        self._shown_at = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        if not trainer.is_global_zero:
            return
        self._times.append(time.monotonic())
        if self.console.is_terminal and not os.environ.get("CI"):
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[status]}"),
                console=self.console,
            )
            self._bar.add_task("training", total=trainer.max_steps, completed=trainer.global_step, status="")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on."""
        if not trainer.is_global_zero:
            return
        self._times.append(time.monotonic())
        last = trainer.global_step == trainer.max_steps
        if not last and self._times[-1] - self._shown_at < (0.5 if self._bar is not None else 15):
            return
        self._shown_at = self._times[-1]
        pace = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        left = _duration(pace * (trainer.max_steps - trainer.global_step))
        best = f", best {self.best.name} {self.best.best:.3f}" if self.best.best >= 0 else ""
        status = f"loss {float(outputs['loss']):.3f}{best}, {left} left"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=trainer.global_step, status=status)
        else:
            self.console.print(f"training {trainer.global_step}/{trainer.max_steps}, {status}", highlight=False)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes}:{rest:02d}"
