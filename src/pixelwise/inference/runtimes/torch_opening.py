"""Opening the torch runtime of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.base import ObjectRuntime, Runtime
from pixelwise.inference.runtimes.torch_objects import TorchObjectRuntime
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.inference.runtimes.views import View, check_alone
from pixelwise.models import DetectionModel, Model, SegmentationModel, load_model


def open_torch(
    models: Sequence[Model | str | Path], views: Sequence[View], *, device: str, precision: str
) -> Runtime | ObjectRuntime:
    """Make the runtime of a model, or of several models that are averaged.

    Args:
        models: models, model files or run folders.
        views: the views of the picture that each computes.
        device: ``"auto"``, or a torch device.
        precision: see :func:`pixelwise.inference.runtimes.torch_parts.choose_precision`.

    Raises:
        ModelError: a file is no pixelwise model, or several models do not agree.
        SettingError: no such device or precision, or views of a network that finds objects.
    """
    opened = [load_model(model) if isinstance(model, str | Path) else model for model in models]
    labelling = [model for model in opened if isinstance(model, SegmentationModel)]
    finding = [model for model in opened if isinstance(model, DetectionModel)]
    if finding:
        check_alone(len(opened), views)
        return TorchObjectRuntime(finding[0], device=device, precision=precision)
    members = [TorchRuntime(model, device=device, precision=precision) for model in labelling]
    averaged = len(members) > 1 or len(views) > 1
    return AveragingRuntime(members, views) if averaged else members[0]
