"""The table of runtimes; each is imported when it is opened, so that unused libraries are not loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pixelwise.errors import SettingError, UnsupportedError, missing_package, unknown_name
from pixelwise.inference.runtimes.base import ObjectRuntime, Runtime
from pixelwise.models.model_file import find_model_file

if TYPE_CHECKING:
    from pixelwise.inference.runtimes.views import View
    from pixelwise.models import Model


class Opener(Protocol):
    """Makes a runtime of models, model files or run folders, which are averaged where there are several."""

    def __call__(
        self, models: Sequence[Model | str | Path], views: Sequence[View], *, device: str, precision: str
    ) -> Runtime | ObjectRuntime:
        """Open the models.

        Raises:
            ModelError: a file is no model that the runtime computes, or several models do not agree.
            SettingError: no such device or precision, or views that the models do not take.
        """
        ...


def _torch() -> Opener:
    from pixelwise.inference.runtimes.torch_opening import open_torch

    return open_torch


def _exported(runtime: str) -> Opener:
    from pixelwise.inference.runtimes.exported.opening import open_exported

    return partial(open_exported, runtime=runtime)


RUNTIMES: dict[str, Callable[[], Opener]] = {
    "torch": _torch,
    "onnx": partial(_exported, "onnx"),
    "openvino": partial(_exported, "openvino"),
}
"""Name -> function that imports the opener."""

EXPORTED_RUNTIMES = tuple(name for name in RUNTIMES if name != "torch")
"""The runtimes of exported files; torch runs all other models."""

ONNX_SUFFIX, OPENVINO_SUFFIX = ".onnx", ".xml"
EXPORTED_SUFFIXES = (ONNX_SUFFIX, OPENVINO_SUFFIX)
"""Suffixes of exported files; OpenVINO has its weights in a .bin beside the .xml."""


def opener_of(runtime: str, models: Sequence[Model | str | Path] = ()) -> Opener:
    """Import the opener of a runtime; ``"auto"`` is the one for these models.

    Raises:
        SettingError: there is no such runtime, or it does not run an exported file that is among the models.
        ModelError: there is no such model.
        UnsupportedError: the models need torch, which is not installed.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise SettingError(unknown_name("runtime", runtime, ("auto", *RUNTIMES)), argument="runtime")
    paths = [Path(model) for model in models if isinstance(model, str | Path)]
    exported = [path for path in paths if path.suffix in EXPORTED_SUFFIXES]
    if runtime == "auto" and exported:
        return _exported("auto")
    if runtime == "torch" and exported:
        raise SettingError(
            f"{exported[0]}: an exported file runs in {' or '.join(EXPORTED_RUNTIMES)}, not in torch; leave the "
            "runtime out",
            argument="runtime",
        )
    if runtime in ("auto", "torch"):
        for path in paths:
            find_model_file(path)  # before torch is imported, which takes seconds
        if importlib.util.find_spec("torch") is None:
            raise UnsupportedError(missing_package("torch"))
        return _torch()
    return RUNTIMES[runtime]()
