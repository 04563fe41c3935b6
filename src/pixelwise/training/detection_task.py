"""The task that trains networks which find objects: Faster and Mask R-CNN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, distributed

from pixelwise.detection import to_instances
from pixelwise.instances import Instances
from pixelwise.metrics.compared import Compared, compare_objects
from pixelwise.metrics.objects import ObjectScores, score_pictures
from pixelwise.models.mask_rcnn import DetectionModel
from pixelwise.ops.object_targets import ObjectTarget
from pixelwise.training.settings import Settings
from pixelwise.training.task_parts import Normalise, Score, make_optimizer

LOOKED_AT = 20
"""Pictures that tell how many objects there are."""
DOUBTFUL = 2.0
"""Detections of a trained network for each object of a picture; those with low scores are counted, too."""

Batch = tuple[Tensor, Sequence[ObjectTarget]]


class DetectionTask(pl.LightningModule):
    """The sum of the losses of a detection network, AdamW, and AP over the whole validation set.

    Batches are (images uint8 (N, C, h, w), one target each) in training, and one (image uint8 (C, H, W), its objects)
    of any size in validation.

    Args:
        model: what is trained.
        settings: how.
    """

    figures: ClassVar[tuple[str, ...]] = ("ap", "ap50", "ap50_tp_fp_fn")

    def __init__(self, model: DetectionModel, settings: Settings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.normalise = Normalise(model.preprocessing, channels_last=settings.channels_last)
        self._compared: list[Compared] = []
        self._scores: ObjectScores | None = None

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move images and targets; annotated objects stay where they are compared, on the CPU."""
        images, objects = batch
        if not isinstance(objects, Instances):
            objects = [ObjectTarget(*(part.to(device) for part in target)) for target in objects]
        return images.to(device), objects

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the losses of a batch of crops by name."""
        images, targets = batch
        return self.model.losses(self.normalise(images), targets)

    def loss_of(self, batch: Batch) -> Tensor:
        """Compute the sum of the losses of a batch of crops."""
        return torch.stack(list(self.losses(batch).values())).sum()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Let the draw of anchors and proposals depend on the step alone, so that a resumed run draws the same."""
        torch.manual_seed(self.settings.seed + self.global_step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take one step; logs ``train/loss`` and each of the losses."""
        losses = self.losses(batch)
        loss = torch.stack(list(losses.values())).sum()
        each = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.log_dict({"train/loss": loss.detach(), **each}, batch_size=len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Instances], batch_idx: int) -> None:
        """Compare what is found in one picture with its objects."""
        image, truth = batch
        (detections,) = self.model.detect(self.normalise(image[None]))
        found = to_instances(detections, truth.size)
        self._compared.append(compare_objects(truth, found, len(self.model.label_space)))

    def pose_as_trained(self, pictures: Any) -> None:
        """Bound the detections by some for each object: a fresh network takes every region for an object.

        Args:
            pictures: the validation set, of which a few are looked at.
        """
        looked_at = range(min(LOOKED_AT, len(pictures)))
        objects = sum(len(pictures[number][1]) for number in looked_at) / len(looked_at)
        heads = self.model.network.heads
        heads.detections = min(heads.detections, math.ceil(DOUBTFUL * objects) + 10)

    def score(self) -> Score:
        """Score the pictures seen since the last validation was logged, by those of all processes."""
        return Score("mask AP" if self.model.masks else "box AP", self._score_all().ap)

    def _score_all(self) -> ObjectScores:
        if self._scores is None:
            compared = self._compared
            if distributed.is_available() and distributed.is_initialized():
                shares: list[list[Compared]] = [[] for _ in range(distributed.get_world_size())]
                distributed.all_gather_object(shares, compared)
                compared = [picture for share in shares for picture in share]
            bound = self.model.network.heads.detections
            self._scores = score_pictures(compared, self.model.label_space, max_detections=bound)
        return self._scores

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole validation set."""
        scores = self._score_all()
        self._compared, self._scores = [], None
        for name in self.figures:
            self.log(f"val/{name}", float(getattr(scores, name)), rank_zero_only=False, sync_dist=False)

    def configure_optimizers(self) -> Any:
        """AdamW; see :func:`~pixelwise.training.task_parts.make_optimizer`."""
        return make_optimizer(self.model, self.settings)
