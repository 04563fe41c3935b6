"""What happens around the steps: keeping work, stopping gently, logging, and a progress bar with the time left."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections import deque
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from pixelwise.io.atomic import atomic_path
from pixelwise.models import save_model
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.task import SegmentationTask


class KeepWork(pl.Callback):
    """Save the newest state at intervals and the best model whenever it improves; each file whole or not at all.

    Must come before the averaging callback in the list, so that validation ends while the averaged weights, which
    were just scored, are still in the model.

    Args:
        run: where to save.
        every_seconds: the longest time between two saved states; a killed run loses no more.
    """

    def __init__(self, run: RunFolder, *, every_seconds: float = 120.0) -> None:
        self.run = run
        self.every_seconds = every_seconds
        self.best = -1.0
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the newest state when it is time; all processes agree on the moment."""
        due = trainer.is_global_zero and time.monotonic() - self._saved_at > self.every_seconds
        if trainer.world_size > 1:
            due = trainer.strategy.broadcast(due)
        if due:
            self.save_state(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the newest state, which now knows the best score."""
        if not trainer.sanity_checking:
            self.save_state(trainer)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the model if no earlier one scored as well."""
        assert isinstance(pl_module, SegmentationTask)
        miou = pl_module.confusion.scores().miou  # callbacks come before the task, which logs the same figure
        if miou >= self.best:
            self.best = miou
            if trainer.is_global_zero:
                save_model(pl_module.model, self.run.model_file)

    def save_state(self, trainer: pl.Trainer) -> None:
        """Write ``last.ckpt``; every process of a distributed run must call this."""
        if trainer.is_global_zero:
            with atomic_path(self.run.checkpoint) as beside:
                trainer.save_checkpoint(beside)
        else:
            trainer.save_checkpoint(self.run.checkpoint)
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Remember the best score across a resume."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best score of the run so far."""
        self.best = state_dict["best"]


class StopGently(pl.Callback):
    """End training after the current step on the first Ctrl-C (or SIGTERM), with everything saved.

    A second Ctrl-C ends at once; what the last checkpoint holds is still there.
    """

    def __init__(self, keep: KeepWork) -> None:
        self.keep = keep
        self.asked = False
        self._former: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signals."""
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
        """Stop if anybody asked, on all processes at the same step."""
        asked = self.asked
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            self.asked = True
            self.keep.save_state(trainer)
            trainer.should_stop = True
            # Lightning would still validate at the end of the epoch that it thinks has come.
            trainer.limit_val_batches = 0

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the signals back."""
        for number, former in self._former.items():
            signal.signal(number, former)
        self._former.clear()


class MetricsFile(pl.Callback):
    """Append loss, learning rate and scores to ``metrics.csv``, one row every few steps and one a validation.

    After a resume the rows of steps that are done again are dropped, so the file reads like that of an unbroken run.
    """

    columns = ("step", "seconds", "loss", "learning_rate", "miou", "pixel_accuracy")

    def __init__(self, run: RunFolder, *, every: int) -> None:
        self.run = run
        self.every = every
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
        if trainer.state.fn != "fit" or "val/miou" not in trainer.callback_metrics:
            return
        metrics = trainer.callback_metrics
        self._write(trainer, miou=f"{metrics['val/miou']:.6f}", pixel_accuracy=f"{metrics['val/pixel_accuracy']:.6f}")

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
    """One line: step, loss, best mIoU, time gone and time left; plain lines where there is no terminal."""

    def __init__(self, console: Console, keep: KeepWork) -> None:
        self.console = console
        self.keep = keep
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
        best = f", best mIoU {self.keep.best:.3f}" if self.keep.best >= 0 else ""
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
