"""Stopping a run whose loss is no longer a number, with the pictures and the layer that it began with."""

from __future__ import annotations

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from pixelwise.errors import PixelwiseError
from pixelwise.training.settings import Settings
from pixelwise.training.task_parts import Task
from pixelwise.training.workers import CutFromPictures
from pixelwise.words import listed

STEPS_BETWEEN_LOOKS = 20
"""Steps from one look at the loss to the next on a device that would have to wait for it; a CPU looks at every step."""


class StopAtNonFinite(pl.Callback):
    """End a run whose loss is infinite or NaN before its weights learn from it, and say where it comes from.

    This callback should come first, so that no state is saved of a step that failed.

    Args:
        settings: the settings of the run.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._batch: Any = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember what the step learns from."""
        self._batch = batch

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Look at the loss.

        Raises:
            PixelwiseError: it is infinite or NaN.
        """
        step = trainer.global_step
        if loss.device.type != "cpu" and step % STEPS_BETWEEN_LOOKS:
            return
        if torch.isfinite(loss):
            return
        task = cast("Task[Any, Any]", pl_module)
        with trainer.precision_plugin.forward_context(), torch.no_grad():
            where = first_non_finite(task, self._batch)
        pictures = self._pictures(trainer, step)
        mends = [f"a lower learning_rate (this run has {self.settings.learning_rate:g})"]
        if not self.settings.gradient_clip:
            mends.append("gradient_clip 1")
        if self.settings.precision == "16-mixed":
            mends.append("precision 32-true")
        raise PixelwiseError(
            f"the loss of step {step + 1} is {loss.item():g}: {where}{pictures}; begin a new run with "
            f"{' and '.join(mends)}, and look at these pictures if it comes back at them"
        )

    def _pictures(self, trainer: pl.Trainer, step: int) -> str:
        crops = getattr(trainer.datamodule, "crops", None)  # type: ignore[attr-defined]
        if not isinstance(crops, CutFromPictures):
            return ""
        batch = self.settings.batch
        numbers = range(step * batch + trainer.global_rank, (step + 1) * batch, trainer.world_size)
        return f"; its crops are of {listed(dict.fromkeys(crops.pair_of(number).id for number in numbers))}"


def first_non_finite(task: Task[Any, Any], batch: Any) -> str:
    """Say in words which layer of a network is the first whose weights or values are infinite or NaN.

    Args:
        task: the task with its network.
        batch: what the step learnt from, on the device.
    """
    for name, tensor in task.model.named_parameters():  # the failed step has changed running means by now
        if not torch.isfinite(tensor).all():
            return f"the weights {name} were not finite before it, so an earlier step spoilt them"
    found: list[str] = []
    hooks = []
    for name, module in task.model.named_modules():
        if any(module.children()):
            continue

        def look(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            if not found and isinstance(output, Tensor) and not torch.isfinite(output).all():
                found.append(name)

        hooks.append(module.register_forward_hook(look))
    try:
        task.loss_of(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return f"layer {found[0]} is the first whose values are not finite" if found else "all layers give finite values"
