"""The training task: how Lightning turns batches of crops into steps, and pictures into validation scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor

from pixelwise.metrics.confusion import ConfusionMatrix
from pixelwise.models import SegmentationModel
from pixelwise.models.base import Coarse
from pixelwise.ops import upsample_confusion, upsample_cross_entropy
from pixelwise.training.settings import Settings
from pixelwise.training.task_parts import Normalise, Score, make_optimizer


class SegmentationTask(pl.LightningModule):
    """Cross-entropy on coarse logits, AdamW with a lower rate for the encoder, whole-set mIoU for validation.

    Batches are (images uint8 (N, C, h, w), masks (N, h, w)) in training, with weights of gaps (N, h, w) as third part
    where touching objects are kept apart, and one (image uint8 (C, H, W), mask (H, W)) of any size in validation;
    pictures stay uint8 until they are on the device.

    Args:
        model: what is trained.
        settings: how.
    """

    figures: ClassVar[tuple[str, ...]] = ("miou", "pixel_accuracy")

    def __init__(self, model: SegmentationModel, settings: Settings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.confusion = ConfusionMatrix(model.label_space)
        self.normalise = Normalise(model.preprocessing, channels_last=settings.channels_last)
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor(settings.class_weights), persistent=False)

    def loss(self, coarse: Coarse, target: Tensor, gaps: Tensor | None = None) -> Tensor:
        """Loss of coarse logits against a mask (N, H, W); auxiliary logits count two fifths.

        With ``gaps`` (N, H, W) a pixel weighs what its class weighs and its gap on top (U-Net, equation 2).
        """
        pixel_weights = None if gaps is None else self._weights_of(target) + gaps
        loss = self._cross_entropy(coarse.logits, target, pixel_weights, scale=coarse.scale, offset=coarse.offset)
        for logits in coarse.auxiliary:
            loss = loss + 0.4 * self._cross_entropy(logits, target, pixel_weights)
        return loss

    def _weights_of(self, target: Tensor) -> Tensor:
        """Weight of the class of each pixel (N, H, W); that of ignored pixels does not count."""
        return self.class_weights[target.long().clamp(max=len(self.class_weights) - 1)]

    def _cross_entropy(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None, **grid: Any) -> Tensor:
        return upsample_cross_entropy(
            logits,
            target,
            **grid,
            class_weights=self.class_weights if pixel_weights is None else None,
            pixel_weights=pixel_weights,
            ignore_index=self.model.label_space.ignore_index,
            label_smoothing=self.settings.label_smoothing,
        )

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Let dropout depend on the step alone, so that a resumed run drops what the unbroken one would."""
        torch.manual_seed(self.settings.seed + self.global_step)

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Take one step; logs ``train/loss`` and the learning rate."""
        loss = self.loss_of(batch)
        self.log("train/loss", loss.detach())
        return loss

    def loss_of(self, batch: Sequence[Tensor]) -> Tensor:
        """Compute the loss of a batch of crops."""
        images, target, *gaps = batch
        return self.loss(self.model.coarse(self.normalise(images)), target, *gaps)

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        """Count labels against one picture at its own size."""
        image, target = (item[None] for item in batch)
        coarse = self.model.coarse(self.normalise(image))
        counts = upsample_confusion(
            coarse.logits,
            target,
            scale=coarse.scale,
            offset=coarse.offset,
            ignore_index=self.model.label_space.ignore_index,
        )
        ignored = int((target == self.model.label_space.ignore_index).sum())
        self.confusion.update_counts(counts, images=1, ignored_pixels=ignored)

    def pose_as_trained(self, pictures: Any) -> None:
        """Do nothing: scoring every pixel takes the same time whatever the weights."""

    def score(self) -> Score:
        """Score what has been counted since the last validation was logged."""
        return Score("mIoU", self.confusion.scores().miou)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole validation set."""
        scores = self.confusion.scores()
        self.confusion.reset()
        self.log("val/miou", scores.miou, rank_zero_only=False, sync_dist=False)
        self.log("val/pixel_accuracy", scores.pixel_accuracy, rank_zero_only=False, sync_dist=False)

    def configure_optimizers(self) -> Any:
        """AdamW; see :func:`~pixelwise.training.task_parts.make_optimizer`."""
        return make_optimizer(self.model, self.settings)
