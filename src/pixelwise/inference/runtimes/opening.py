"""From models to what predicts with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixelwise.errors import ModelError, SettingError
from pixelwise.inference.label_task import LabelTask
from pixelwise.inference.object_task import ObjectTask
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.torch_objects import DetectionRuntime
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.inference.runtimes.views import View
from pixelwise.instances import ObjectRule
from pixelwise.models import DetectionModel, Model, SegmentationModel, load_model


def open_task(
    models: Sequence[Model | str | Path],
    views: Sequence[View],
    *,
    device: str,
    precision: str,
    score: float | None,
    min_area: int | None,
) -> LabelTask | ObjectTask:
    """Make what predicts with a model, or with several that are averaged.

    What counts as an object is what the (first) model says, unless a score or an area is given.

    Raises:
        ModelError: a file is no pixelwise model, or several models do not agree.
        SettingError: no such device or precision, a score or an area that cannot be, or views of a network that finds
            objects.
    """
    opened = [load_model(model) if isinstance(model, str | Path) else model for model in models]
    labelling = [model for model in opened if isinstance(model, SegmentationModel)]
    finding = [model for model in opened if isinstance(model, DetectionModel)]
    if finding and len(opened) > 1:
        raise ModelError("networks that find objects cannot be averaged with others; give one of them alone")
    if finding and not all(view.plain for view in views):
        raise SettingError(
            "objects of several views cannot be averaged; leave it out for networks that find objects", argument="tta"
        )
    said = opened[0].object_rule
    rule = ObjectRule(said.score if score is None else score, said.min_area if min_area is None else min_area)
    if finding:
        return ObjectTask(DetectionRuntime(finding[0], device=device, precision=precision), rule=rule)
    members = [TorchRuntime(model, device=device, precision=precision) for model in labelling]
    averaged = len(members) > 1 or len(views) > 1
    return LabelTask(AveragingRuntime(members, views) if averaged else members[0], rule=rule)
