"""Opening the runtime of exported files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.errors import ModelError, SettingError
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.base import ObjectRuntime, Runtime
from pixelwise.inference.runtimes.onnx_description import described_kind
from pixelwise.inference.runtimes.onnx_file import ExportedFile
from pixelwise.inference.runtimes.onnx_objects import OnnxObjectRuntime
from pixelwise.inference.runtimes.onnx_pixels import OnnxRuntime
from pixelwise.inference.runtimes.views import View, check_alone

if TYPE_CHECKING:
    from pixelwise.models import Model

EXPORTED_SUFFIX = ".onnx"


def open_onnx(
    models: Sequence[Model | str | Path], views: Sequence[View], *, device: str, precision: str
) -> Runtime | ObjectRuntime:
    """Make the runtime of an exported file, or of several that are averaged.

    Args:
        models: exported files.
        views: the views of the picture that each computes.
        device: ``"auto"`` or ``"cpu"``.
        precision: ``"auto"`` or ``"float32"``.

    Raises:
        ModelError: a file is no exported file, or several do not agree.
        SettingError: a model that is not exported, another device or another precision, or views of a network that
            finds objects.
        UnsupportedError: ONNX Runtime is not installed.
    """
    if device not in ("auto", "cpu"):
        raise SettingError(f"exported files run on the CPU, got '{device}'; leave it out", argument="device")
    if precision not in ("auto", "float32"):
        raise SettingError(f"exported files compute in float32, got '{precision}'; leave it out", argument="precision")
    files = [ExportedFile.read(_exported(model)) for model in models]
    finding = [file for file in files if described_kind(file.text) == "objects"]
    if finding:
        check_alone(len(files), views)
        return OnnxObjectRuntime(finding[0])
    members = [OnnxRuntime(file) for file in files]
    averaged = len(members) > 1 or not all(view.plain for view in views)
    return AveragingRuntime(members, views) if averaged else members[0]


def _exported(model: Model | str | Path) -> Path:
    """Give the path of an exported file.

    Raises:
        ModelError: there is no such file.
        SettingError: it is another kind of model.
    """
    if not isinstance(model, str | Path) or Path(model).suffix != EXPORTED_SUFFIX:
        what = model if isinstance(model, str | Path) else "a model in memory"
        raise SettingError(
            f"{what}: the runtime onnx takes files that were exported ({EXPORTED_SUFFIX}); write one with export, or "
            "leave the runtime out",
            argument="runtime",
        )
    if not Path(model).is_file():
        raise ModelError(f"{model}: there is no such exported file")
    return Path(model)
