"""The table of courses, and choosing the one that a run follows."""

from __future__ import annotations

from collections.abc import Iterable

from pixelwise.data.pairs import Pair
from pixelwise.errors import ModelError, unknown_name
from pixelwise.metrics.overlaps import has_masks
from pixelwise.models import MODELS, Model
from pixelwise.training.course import Course
from pixelwise.training.object_course import ObjectCourse
from pixelwise.training.pixel_course import PixelCourse
from pixelwise.training.planning.object_plan import object_model
from pixelwise.training.planning.pixel_plan import DEFAULT_MODEL


def default_model(pairs: Iterable[Pair]) -> str:
    """Choose the model to train by what is annotated, where no model is asked for.

    Raises:
        DataError: the first annotation of objects cannot be read.
    """
    annotated = next((pair.objects for pair in pairs if pair.objects is not None), None)
    if annotated is None:
        return DEFAULT_MODEL
    return object_model(masks=has_masks(annotated.read()))


def course_for(model: str) -> Course[Model]:
    """Choose the course that trains a model, by the kind of the model.

    Raises:
        ModelError: there is no model of that name.
    """
    if model not in MODELS:
        raise ModelError(unknown_name("model", model, MODELS))
    return ObjectCourse() if MODELS[model].objects else PixelCourse()
