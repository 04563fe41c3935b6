"""What a run shows while it trains: two validation pictures by the newest weights, and a page with the curve so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from PIL import Image

from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.inference import Predictor
from pixelwise.io.atomic import atomic_path
from pixelwise.report.live_page import write_live_page
from pixelwise.scoring import judge_for
from pixelwise.scoring.example import Example
from pixelwise.training.callbacks import KeepBest
from pixelwise.training.journal import read_metrics
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings
from pixelwise.training.task_parts import ScoringTask

SHOWN_PICTURES = 2


class Preview(pl.Callback):
    """After each validation, write ``preview.png`` and ``report.html`` into the run folder.

    Like :class:`~pixelwise.training.callbacks.KeepBest`, this callback must come before the averaging callback, so that
    the weights that were validated are in the model.

    Args:
        run: the run folder.
        settings: the settings of the run.
        source: the data; of its split "val", two pictures are shown.
    """

    def __init__(self, run: RunFolder, settings: Settings, source: DataSource) -> None:
        self.run = run
        self.settings = settings
        self.title = f"{settings.model} on {source.root.resolve().name}"
        pairs = source.split("val")
        self.pairs: Sequence[Pair] = pairs[:: -(-len(pairs) // SHOWN_PICTURES)]
        self._examples: tuple[Example, ...] = ()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the pictures; the first process alone does, so that nothing here may wait for the others."""
        if not trainer.is_global_zero:
            return
        predictor = Predictor(cast(ScoringTask, pl_module).model)
        judge = judge_for(predictor, self.pairs, predictor.label_space)
        self._examples = tuple(judge.draw(pair, judge.compare(judge.read(pair)), group="") for pair in self.pairs)
        with atomic_path(self.run.preview_file) as beside:
            Image.fromarray(_sheet(self._examples)).save(beside, format="PNG")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page, whose curve includes the validation."""
        if not trainer.is_global_zero or not self._examples:
            return
        best = next(one for one in trainer.callbacks if isinstance(one, KeepBest))  # type: ignore[attr-defined]
        write_live_page(
            self.run.report_file,
            title=self.title,
            steps=(trainer.global_step, int(trainer.max_steps)),
            score=(best.name, best.best) if best.best >= 0 else None,
            examples=self._examples,
            history=read_metrics(self.run),
            settings=self.settings.rows(),
        )


def _sheet(examples: Sequence[Example]) -> NDArray[np.uint8]:
    """Put pictures, truths, predictions and errors side by side, one picture a row, on white."""
    gap = 4
    rows = [(one.image, one.truth, one.prediction, one.errors) for one in examples]
    height = sum(row[0].shape[0] + gap for row in rows) - gap
    width = max(len(row) * (row[0].shape[1] + gap) for row in rows) - gap
    sheet = np.full((height, width, 3), 255, np.uint8)
    top = 0
    for row in rows:
        for number, view in enumerate(row):
            left = number * (view.shape[1] + gap)
            sheet[top : top + view.shape[0], left : left + view.shape[1]] = view
        top += row[0].shape[0] + gap
    return sheet
