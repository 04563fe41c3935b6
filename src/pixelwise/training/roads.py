"""The two kinds of training: of networks that score every pixel, and of networks that find objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pixelwise.data.source import DataSource
from pixelwise.errors import ModelError, unknown_name
from pixelwise.metrics.overlaps import has_masks
from pixelwise.models import MODELS
from pixelwise.training.assembly import make_stream, open_caches
from pixelwise.training.detection_task import DetectionTask
from pixelwise.training.object_assembly import make_object_stream, objects_of_source, open_object_caches
from pixelwise.training.plan import DEFAULT_MODEL, plan_source
from pixelwise.training.plan_objects import object_model, plan_object_source
from pixelwise.training.task import SegmentationTask


@dataclass(frozen=True)
class Road:
    """What one kind of training consists of.

    Args:
        see: gives the data as networks of this kind learn from it; raises where they cannot.
        plan: from data, machine and what is fixed to the traits of the data and a draft of the settings.
        open_caches: from data and settings to training and validation pictures.
        make_stream: from settings, caches and model to what a run reads.
        task: from model and settings to a :class:`~pixelwise.training.task_parts.Task`.
    """

    see: Callable[[DataSource], DataSource]
    plan: Callable[..., Any]
    open_caches: Callable[..., Any]
    make_stream: Callable[..., Any]
    task: Any


PIXELS = Road(DataSource.semantic, plan_source, open_caches, make_stream, SegmentationTask)
OBJECTS = Road(objects_of_source, plan_object_source, open_object_caches, make_object_stream, DetectionTask)


def default_model(source: DataSource) -> str:
    """Choose the model to train where none is asked for, by what is annotated.

    Raises:
        DataError: the first annotation of objects cannot be read.
    """
    annotated = next((pair.objects for pair in source.pairs if pair.objects is not None), None)
    if annotated is None:
        return DEFAULT_MODEL
    return object_model(masks=has_masks(annotated.read()))


def road_of(model: str) -> Road:
    """Choose by the kind of a model.

    Raises:
        ModelError: there is no model of that name.
    """
    if model not in MODELS:
        raise ModelError(unknown_name("model", model, MODELS))
    return OBJECTS if MODELS[model].objects else PIXELS
