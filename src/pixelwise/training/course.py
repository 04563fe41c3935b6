"""The interface of courses, one per kind of training; :mod:`pixelwise.training.fit` follows any of them."""

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
from pixelwise.training.stream import Stream
from pixelwise.training.timing.pace import MOST_TIMING_SECONDS
from pixelwise.training.timing.schedule import Schedule
from pixelwise.types import LabelSpace

ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


Planner = Callable[[float], Draft]
"""Chooses every setting except the number of steps. It is given the share of the usual work that a step may have, at
most 1: where time is short, crops are fewer and smaller."""


class Course(ABC, Generic[ModelT_co]):
    """Defines how networks of one kind are trained: what they learn from data, with which settings and which parts."""

    figures: ClassVar[tuple[str, ...]]
    """The names of the figures that a validation logs as ``val/NAME``; they are columns of ``metrics.csv``."""

    @abstractmethod
    def view(self, source: DataSource) -> DataSource:
        """Give the data in the form that networks of this kind learn from.

        Raises:
            DataError: they cannot learn from it.
        """

    @abstractmethod
    def study(
        self, source: DataSource, machine: Machine, fixed: Mapping[str, Any], listener: Listener
    ) -> tuple[Fingerprint, Planner]:
        """Measure the training pictures.

        Args:
            source: as :meth:`view` gives it.
            machine: the machine that will train.
            fixed: settings that were given by hand; they take precedence, and the other settings follow from them.
            listener: hears how far the measuring is.

        Returns:
            What the pictures are like; and a function that plans.

        Raises:
            PixelwiseError: the data cannot be read or learnt from, or a fixed setting names no model or encoder.
        """

    @abstractmethod
    def set_up(self, source: DataSource, settings: Settings) -> Setup[ModelT_co]:
        """Build the model with fresh weights, and open the pictures.

        Args:
            source: as :meth:`view` gives it; splits "train" and "val" are used.
            settings: the settings of the run; the number of steps may still change.
        """


class Setup(ABC, Generic[ModelT_co]):
    """A model and the pictures it learns from, which stay the same from the first timed step to the last of the run.

    Args:
        model: the model that is trained.
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
    def measure_pace(
        self, settings: Settings, device: torch.device, listener: Listener, *, most_seconds: float = MOST_TIMING_SECONDS
    ) -> tuple[float, float]:
        """Measure seconds per step and per validation; see :func:`~pixelwise.training.timing.pace.measure_pace`."""

    @abstractmethod
    def task(self, settings: Settings, schedule: Schedule | None = None) -> pl.LightningModule:
        """Build the Lightning task, which says what a step and a validation do to the model.

        It is a :class:`~pixelwise.training.task_parts.ScoringTask` as well.

        Args:
            settings: the settings of the run.
            schedule: its steps and rates; as the settings plan them by default.
        """

    @abstractmethod
    def stream(self, settings: Settings) -> Stream[Any, Any, Any]:
        """Build the stream of data that the steps and validations of a run read."""


class Cache(Protocol):
    """Pictures that can be decoded ahead."""

    def __len__(self) -> int: ...

    def warm(self, progress: Callable[[int, int], Any] | None = None) -> None:
        """Decode the pictures that fit; ``progress`` is called with the number done and the number in all."""
        ...


def fresh_model(label_space: LabelSpace, settings: Settings) -> Model:
    """Build the model of the settings with fresh weights, normalising as published weights of its encoder expect.

    Raises:
        PixelwiseError: as :func:`~pixelwise.models.build_model`.
        SettingError: the setting for pixels beyond the edge of pictures is one that the model does not support.
    """
    model = build_model(
        settings.model,
        classes=label_space,
        encoder=settings.encoder,
        in_channels=settings.in_channels,
        **settings.model_options,
    )
    model.change_card(
        preprocessing=replace(model.preprocessing, value_range=settings.value_range, dtype=settings.number_type)
    )
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
    """The augmentation of the crops of a run."""
    return Augmentation(
        crop=settings.crop,
        scale=settings.scale,
        rotation=settings.rotation,
        hflip=settings.hflip,
        vflip=settings.vflip,
        color=settings.color,
        elastic=settings.elastic,
    )
