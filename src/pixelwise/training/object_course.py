"""The course for networks that find objects (Faster and Mask R-CNN), on objects that are annotated one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, distributed

from pixelwise.data.crops.object_cache import ObjectCache
from pixelwise.data.crops.object_crops import ObjectCrops, ObjectPictures, collate_objects
from pixelwise.data.fingerprint import Fingerprint, fingerprint
from pixelwise.data.object_survey import survey_objects
from pixelwise.data.source import DataSource
from pixelwise.detection import to_instances
from pixelwise.errors import DataError
from pixelwise.instances import Instances
from pixelwise.io.pictures.depth import Learnt
from pixelwise.listener import Listener
from pixelwise.metrics.compared import Compared, compare_objects
from pixelwise.metrics.objects import ObjectScores, score_pictures
from pixelwise.models import DetectionModel
from pixelwise.ops.object_targets import ObjectTarget
from pixelwise.training.course import Course, Planner, Setup, fresh_model, make_augmentation, shares_of_memory
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.object_plan import plan_objects
from pixelwise.training.settings import Settings
from pixelwise.training.stream import Stream
from pixelwise.training.task_parts import Normalise, Score, make_optimizer
from pixelwise.training.timing.pace import MOST_TIMING_SECONDS, measure_pace
from pixelwise.training.timing.schedule import MOST_LENGTHENING, Schedule
from pixelwise.training.workers import Items

SURVEYED_PICTURES = 20
"""The number of pictures from which the number of objects is estimated."""
DETECTIONS_PER_OBJECT = 2.0
"""The detections of a trained network per object of a picture, including those with low scores."""

ObjectCrop = tuple[Tensor, ObjectTarget]
"""Image uint8 (C, h, w) and the objects in it."""
ObjectBatch = tuple[Tensor, list[ObjectTarget]]
"""Images uint8 (N, C, h, w), and one target per image."""
ImageAndObjects = tuple[Tensor, Instances]
"""Image uint8 (C, H, W) of any size and its objects."""


class ObjectCourse(Course[DetectionModel]):
    """Trains with the losses of a detection network, plans from sizes and numbers of objects, validates by AP."""

    figures: ClassVar[tuple[str, ...]] = ("ap", "ap50", "ap50_tp_fp_fn")

    def view(self, source: DataSource) -> DataSource:
        """Give the data unchanged.

        Raises:
            DataError: they have no objects.
        """
        if not source.has_objects:
            raise DataError(
                f"{source.root}: the masks say which class a pixel has, not which object it belongs to, so mask_rcnn "
                "and faster_rcnn cannot learn from them; annotate objects (COCO JSON, or images/ and instance_masks/ "
                "with an id for each object), or choose a model such as unet"
            )
        return source

    def study(
        self, source: DataSource, machine: Machine, fixed: Mapping[str, Any], listener: Listener
    ) -> tuple[Fingerprint, Planner]:
        """Measure the pictures and their objects.

        Raises:
            DataError: as :func:`~pixelwise.data.object_survey.survey_objects`, or a model of masks is asked for where
                only boxes are annotated.
        """
        train = source.split("train")
        with listener.progress("reading training pictures", len(train)) as progress:
            traits = fingerprint(
                source, channels=fixed.get("in_channels"), any_type="value_range" in fixed, progress=progress
            )
        with listener.progress("measuring objects", len(train)) as progress:
            survey = survey_objects(train, len(source.label_space), progress=progress)
        if fixed.get("model") == "mask_rcnn" and not survey.masks:
            raise DataError(f"{source.root}: only boxes are annotated, no masks; train faster_rcnn on it")
        return traits, lambda work: plan_objects(traits, survey, machine, fixed, work=work)

    def set_up(self, source: DataSource, settings: Settings) -> ObjectSetup:
        """Build the model, bound the proposals it learns from, and open the pictures with their objects."""
        model = fresh_model(source.label_space, settings)
        assert isinstance(model, DetectionModel)
        model.network.heads.batch = settings.regions
        train, val = (
            ObjectCache(
                source.split(split),
                channels=settings.in_channels,
                learnt=Learnt(settings.number_type, settings.value_range),
                budget_bytes=budget,
                maps=split == "train",
            )
            for split, budget in zip(("train", "val"), shares_of_memory(settings, source), strict=True)
        )
        return ObjectSetup(model, train, val)


class ObjectSetup(Setup[DetectionModel]):
    """A network that finds objects, and pictures with annotated ones.

    Args:
        model: what is trained.
        train: pictures that crops are cut from.
        val: pictures to be scored on.
    """

    def __init__(self, model: DetectionModel, train: ObjectCache, val: ObjectCache) -> None:
        super().__init__(model, (train, val))
        self.train = train
        self.val = val

    def measure_pace(
        self, settings: Settings, device: torch.device, listener: Listener, *, most_seconds: float = MOST_TIMING_SECONDS
    ) -> tuple[float, float]:
        """Measure the time of steps, and of validation with as many detections as a trained network gives."""
        return measure_pace(self.task(settings), self.stream(settings), device, listener, most_seconds=most_seconds)

    def task(self, settings: Settings, schedule: Schedule | None = None) -> DetectionTask:
        """The losses of the network and AP."""
        return DetectionTask(self.model, settings, schedule)

    def stream(self, settings: Settings) -> Stream[ObjectCrop, ObjectBatch, ImageAndObjects]:
        """Crops with the objects in them; beyond the pictures they have the colour that the model pads with."""
        crops = ObjectCrops(
            self.train,
            make_augmentation(settings),
            length=MOST_LENGTHENING * settings.steps * settings.batch,
            seed=settings.seed,
            fill=[255 * value for value in self.model.preprocessing.mean],
            object_probability=settings.rare_class_probability,
        )
        return Stream(crops, ObjectPictures(self.val), settings, collate=collate_objects)


class DetectionTask(pl.LightningModule):
    """The sum of the losses of a detection network, AdamW, and AP over the whole validation set.

    Training takes a :data:`ObjectBatch`, validation an :data:`ImageAndObjects`.

    Args:
        model: what is trained.
        settings: the settings of the run.
        schedule: the steps and rates; as the settings plan them by default.
    """

    def __init__(self, model: DetectionModel, settings: Settings, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.schedule = Schedule(settings) if schedule is None else schedule
        self.normalise = Normalise(model.preprocessing, channels_last=settings.channels_last)
        self._compared: list[Compared] = []
        self._scores: ObjectScores | None = None

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move images and targets; annotated objects stay on the CPU, where they are compared."""
        if batch is None:
            return None
        images, objects = batch
        if not isinstance(objects, Instances):
            objects = [ObjectTarget(*(part.to(device) for part in target)) for target in objects]
        return images.to(device), objects

    def losses(self, batch: ObjectBatch) -> dict[str, Tensor]:
        """Compute the losses of a batch of crops by name."""
        images, targets = batch
        return self.model.losses(self.normalise(images), targets)

    def loss_of(self, batch: ObjectBatch) -> Tensor:
        """Compute the sum of the losses of a batch of crops."""
        return torch.stack(list(self.losses(batch).values())).sum()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Let the sampling of anchors and proposals depend on the step only, so that a resumed run samples the same."""
        if batch_idx % self.settings.accumulate == 0:
            torch.manual_seed(self.settings.seed + self.global_step)

    def training_step(self, batch: ObjectBatch, batch_idx: int) -> Tensor:
        """Take one step; logs ``train/loss`` and each of the losses."""
        losses = self.losses(batch)
        loss = torch.stack(list(losses.values())).sum()
        each = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.log_dict({"train/loss": loss.detach(), **each}, batch_size=len(batch[0]))
        return loss

    def validation_step(self, batch: ImageAndObjects | None, batch_idx: int) -> None:
        """Compare the detections in one picture with its objects; None stands for no picture."""
        if batch is None:
            return
        image, truth = batch
        (detections,) = self.model.detect(self.normalise(image[None]))
        found = to_instances(detections, truth.size)
        self._compared.append(compare_objects(truth, found, len(self.model.label_space)))

    def simulate_trained_output(self, pictures: Items[ImageAndObjects]) -> None:
        """Limit the detections per object, because a fresh network takes every region for an object.

        Args:
            pictures: the validation set, of which a few pictures are read.
        """
        looked_at = range(min(SURVEYED_PICTURES, len(pictures)))
        objects = sum(len(pictures[number][1]) for number in looked_at) / len(looked_at)
        heads = self.model.network.heads
        heads.detections = min(heads.detections, math.ceil(DETECTIONS_PER_OBJECT * objects) + 10)

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
        for name in ObjectCourse.figures:
            self.log(f"val/{name}", float(getattr(scores, name)), rank_zero_only=False, sync_dist=False)

    def configure_optimizers(self) -> Any:
        """AdamW; see :func:`~pixelwise.training.task_parts.make_optimizer`."""
        return make_optimizer(self.model, self.settings, self.schedule)
