"""The course for networks that label pixels, on masks or on the classes of annotated objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor

from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.gaps import GapWeights
from pixelwise.data.crops.pixel_crops import Pictures, TrainingCrops, collate_crops
from pixelwise.data.fingerprint import Fingerprint, fingerprint
from pixelwise.data.source import DataSource
from pixelwise.io.pictures.depth import Learnt
from pixelwise.listener import Listener
from pixelwise.losses import make_loss
from pixelwise.metrics.confusion import ConfusionMatrix
from pixelwise.models import Coarse, SegmentationModel
from pixelwise.ops import upsample_confusion
from pixelwise.training.course import Course, Planner, Setup, fresh_model, make_augmentation, shares_of_memory
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.pixel_plan import plan_pixels
from pixelwise.training.settings import Settings
from pixelwise.training.stream import Stream
from pixelwise.training.task_parts import Normalise, Score, make_optimizer
from pixelwise.training.timing.pace import MOST_TIMING_SECONDS, measure_pace
from pixelwise.training.timing.schedule import MOST_LENGTHENING, Schedule
from pixelwise.training.workers import Items

PixelBatch = tuple[Tensor, ...]
"""Images uint8 (N, C, h, w), masks (N, h, w) and, where touching objects are kept apart, weights of gaps (N, h, w)."""
ImageAndMask = tuple[Tensor, Tensor]
"""Image uint8 (C, H, W) and mask (H, W) of any size."""


class PixelCourse(Course[SegmentationModel]):
    """Trains with a loss on every pixel, plans from the classes of the pixels, and validates by mIoU."""

    figures: ClassVar[tuple[str, ...]] = ("miou", "pixel_accuracy")

    def view(self, source: DataSource) -> DataSource:
        """Give masks unchanged, and annotated objects as classes on a background."""
        return source.semantic()

    def study(
        self, source: DataSource, machine: Machine, fixed: Mapping[str, Any], listener: Listener
    ) -> tuple[Fingerprint, Planner]:
        """Measure the pictures and masks."""
        with listener.progress("reading training pictures", len(source.split("train"))) as progress:
            traits = fingerprint(
                source, channels=fixed.get("in_channels"), any_type="value_range" in fixed, progress=progress
            )
        return traits, lambda work: plan_pixels(traits, machine, fixed, work=work)

    def set_up(self, source: DataSource, settings: Settings) -> PixelSetup:
        """Build the model and open the pictures with their masks."""
        model = fresh_model(source.label_space, settings)
        assert isinstance(model, SegmentationModel)
        train, val = (
            PictureCache(
                source.split(split),
                source.label_space,
                channels=settings.in_channels,
                learnt=Learnt(settings.number_type, settings.value_range),
                budget_bytes=budget,
            )
            for split, budget in zip(("train", "val"), shares_of_memory(settings, source), strict=True)
        )
        return PixelSetup(model, train, val)


class PixelSetup(Setup[SegmentationModel]):
    """A network that labels pixels, and pictures with masks.

    Args:
        model: what is trained.
        train: pictures that crops are cut from.
        val: pictures to be scored on.
    """

    def __init__(self, model: SegmentationModel, train: PictureCache, val: PictureCache) -> None:
        super().__init__(model, (train, val))
        self.train = train
        self.val = val

    def measure_pace(
        self, settings: Settings, device: torch.device, listener: Listener, *, most_seconds: float = MOST_TIMING_SECONDS
    ) -> tuple[float, float]:
        """Measure the time of steps and of scoring whole pictures."""
        return measure_pace(self.task(settings), self.stream(settings), device, listener, most_seconds=most_seconds)

    def task(self, settings: Settings, schedule: Schedule | None = None) -> SegmentationTask:
        """The loss of the settings, and mIoU."""
        return SegmentationTask(self.model, settings, schedule)

    def stream(self, settings: Settings) -> Stream[PixelBatch, PixelBatch, ImageAndMask]:
        """Crops with their masks, and with weights of the gaps between objects where the settings ask for them."""
        gaps = None
        if settings.border_weight > 0:
            gaps = GapWeights(self.train, w0=settings.border_weight, budget_bytes=settings.cache_bytes // 2)
        crops = TrainingCrops(
            self.train,
            make_augmentation(settings),
            length=MOST_LENGTHENING * settings.steps * settings.batch,
            seed=settings.seed,
            rare_class_probability=settings.rare_class_probability,
            gaps=gaps,
            batch=settings.batch,
            shorter=settings.shorter,
        )
        return Stream(crops, Pictures(self.val), settings, collate=collate_crops)


class SegmentationTask(pl.LightningModule):
    """A loss on coarse logits, AdamW with a lower rate for the encoder, whole-set mIoU for validation.

    Training takes a :data:`PixelBatch`, validation an :data:`ImageAndMask`; images stay uint8
    until they are on the device.

    Args:
        model: what is trained.
        settings: how.
        schedule: the steps and rates; as the settings plan them by default.
    """

    def __init__(self, model: SegmentationModel, settings: Settings, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.schedule = Schedule(settings) if schedule is None else schedule
        self.confusion = ConfusionMatrix(model.label_space)
        self.normalise = Normalise(model.preprocessing, channels_last=settings.channels_last)
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor(settings.class_weights), persistent=False)
        smoothing = settings.label_smoothing
        self._loss = make_loss(settings.loss, class_weights=self.class_weights, label_smoothing=smoothing)
        self._loss_of_weighted_pixels = make_loss(settings.loss, label_smoothing=smoothing)

    def loss(self, coarse: Coarse, target: Tensor, gaps: Tensor | None = None) -> Tensor:
        """Loss of coarse logits against a mask (N, H, W); auxiliary logits have a weight of 0.4.

        With ``gaps`` (N, H, W), the weight of a pixel is the weight of its class plus that of its gap (U-Net, equation
        2).
        """
        given: dict[str, Any] = {"ignore_index": self.model.label_space.ignore_index}
        compute = self._loss
        if gaps is not None:
            given["pixel_weights"] = self._weights_of(target) + gaps
            compute = self._loss_of_weighted_pixels
        loss: Tensor = compute(coarse.logits, target, scale=coarse.scale, offset=coarse.offset, **given)
        for logits in coarse.auxiliary:
            loss = loss + 0.4 * compute(logits, target, **given)
        return loss

    def _weights_of(self, target: Tensor) -> Tensor:
        """Weight of the class of each pixel (N, H, W); the values at ignored pixels have no effect."""
        return self.class_weights[target.long().clamp(max=len(self.class_weights) - 1)]

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Let dropout depend on the step only, so that a resumed run drops the same as an unbroken run."""
        if batch_idx % self.settings.accumulate == 0:
            torch.manual_seed(self.settings.seed + self.global_step)

    def training_step(self, batch: PixelBatch, batch_idx: int) -> Tensor:
        """Take one step; logs ``train/loss`` and the learning rate."""
        loss = self.loss_of(batch)
        self.log("train/loss", loss.detach())
        return loss

    def loss_of(self, batch: PixelBatch) -> Tensor:
        """Compute the loss of a batch of crops."""
        images, target, *gaps = batch
        return self.loss(self.model.coarse(self.normalise(images)), target, *gaps)

    def validation_step(self, batch: ImageAndMask | None, batch_idx: int) -> None:
        """Count the labels of one picture at its own size against its mask; None stands for no picture."""
        if batch is None:
            return
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

    def simulate_trained_output(self, pictures: Items[ImageAndMask]) -> None:
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
        return make_optimizer(self.model, self.settings, self.schedule)
