"""What one kind of training consists of; :mod:`pixelwise.training.fit` follows it without asking which kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pytorch_lightning as pl
import torch

from pixelwise.data.crops.augmentation import Augmentation
from pixelwise.data.fingerprint import Fingerprint
from pixelwise.data.source import DataSource
from pixelwise.errors import SettingError
from pixelwise.listener import Listener
from pixelwise.models import Model, SegmentationModel, build_model
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.plan_parts import Draft
from pixelwise.training.settings import Settings
from pixelwise.types import LabelSpace

ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


class Course(ABC, Generic[ModelT_co]):
    """How networks of one kind are trained: what they learn from data, by which settings, with which parts."""

    figures: ClassVar[tuple[str, ...]]
    """What a validation logs, each as ``val/NAME``; columns of ``metrics.csv``."""

    @abstractmethod
    def view(self, source: DataSource) -> DataSource:
        """Give the data as networks of this kind learn from it.

        Raises:
            DataError: they cannot.
        """

    @abstractmethod
    def plan(
        self, source: DataSource, machine: Machine, fixed: Mapping[str, Any], listener: Listener
    ) -> tuple[Fingerprint, Draft]:
        """Measure the training pictures, and choose every setting except the number of steps.

        Args:
            source: as :meth:`view` gives it.
            machine: what will train.
            fixed: settings that were given by hand; they win and steer the others.
            listener: hears how far the measuring is.

        Raises:
            PixelwiseError: the data cannot be read or learnt from, or what is fixed names no model or encoder.
        """

    @abstractmethod
    def set_up(self, source: DataSource, settings: Settings) -> Setup[ModelT_co]:
        """Build the model with fresh weights, and open the pictures.

        Args:
            source: as :meth:`view` gives it; splits "train" and "val" are used.
            settings: the settings of the run; those of length may still change.
        """


class Setup(ABC, Generic[ModelT_co]):
    """A model and the pictures it learns from: what stays the same from the first timed step to the last of the run.

    Args:
        model: what is trained.
        caches: training and validation pictures.
    """

    def __init__(self, model: ModelT_co, caches: Sequence[Cache]) -> None:
        self.model = model
        self._caches = caches

    def warm(self, listener: Listener) -> None:
        """Decode every picture that fits into the memory."""
        total, before = sum(len(cache) for cache in self._caches), 0
        with listener.progress("decoding pictures", total) as progress:
            for cache in self._caches:

                def go_on(done: int, of: int, before: int = before) -> None:
                    progress(before + done, total)

                cache.warm(go_on)
                before += len(cache)

    @abstractmethod
    def measure_pace(self, settings: Settings, device: torch.device, listener: Listener) -> tuple[float, float]:
        """Measure seconds per step and per validation; see :func:`~pixelwise.training.calibrate.measure_pace`."""

    @abstractmethod
    def task(self, settings: Settings) -> pl.LightningModule:
        """Build the Lightning task, which says what a step and a validation do to the model.

        It is a :class:`~pixelwise.training.task_parts.ScoringTask` as well.
        """

    @abstractmethod
    def stream(self, settings: Settings) -> pl.LightningDataModule:
        """Say what the steps and validations of a run read."""


class Cache(Protocol):
    """Pictures that can be decoded ahead."""

    def __len__(self) -> int: ...

    def warm(self, progress: Callable[[int, int], Any] | None = None) -> None:
        """Decode what fits; ``progress`` is called with what is done and what there is in all."""
        ...


def fresh_model(label_space: LabelSpace, settings: Settings) -> Model:
    """Build the model of the settings with fresh weights, normalising as published weights of its encoder expect.

    Raises:
        PixelwiseError: as :func:`~pixelwise.models.build_model`.
        SettingError: pictures are to go on beyond their edge as those of the model do not.
    """
    model = build_model(
        settings.model,
        classes=label_space,
        encoder=settings.encoder,
        in_channels=settings.in_channels,
        **settings.model_options,
    )
    model.change_card(preprocessing=replace(model.preprocessing, value_range=settings.value_range))
    if isinstance(model, SegmentationModel):
        model.change_card(edge=settings.edge)
    elif settings.edge != model.edge or settings.shorter:
        raise SettingError(
            f"edge is {settings.edge} and shorter {settings.shorter}, but '{model.name}' finds objects: its pictures "
            f"go on with {model.edge}, and its crops are whole; leave both out"
        )
    return model


def shares_of_memory(settings: Settings, source: DataSource) -> tuple[int, int]:
    """Share out the bytes of the caches to training and validation pictures, by their number."""
    train, val = len(source.split("train")), len(source.split("val"))
    return settings.cache_bytes * train // (train + val), settings.cache_bytes * val // (train + val)


def make_augmentation(settings: Settings) -> Augmentation:
    """How the crops of a run vary."""
    return Augmentation(
        crop=settings.crop,
        scale=settings.scale,
        rotation=settings.rotation,
        hflip=settings.hflip,
        vflip=settings.vflip,
        color=settings.color,
        elastic=settings.elastic,
    )
