"""The table of runtimes; each is imported when it is opened, so that unused libraries are not loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
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


def _onnx() -> Opener:
    from pixelwise.inference.runtimes.onnx_opening import open_onnx

    return open_onnx


RUNTIMES: dict[str, Callable[[], Opener]] = {"torch": _torch, "onnx": _onnx}
"""Name -> function that imports the opener."""

RUNTIME_BY_SUFFIX = {".onnx": "onnx"}
"""Suffix of exported files -> the runtime that runs them; torch runs all other models."""


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
    exported = {path: RUNTIME_BY_SUFFIX[path.suffix] for path in paths if path.suffix in RUNTIME_BY_SUFFIX}
    wanted = next(iter(exported.values()), "torch") if runtime == "auto" else runtime
    for path, needed in exported.items():
        if needed != wanted:
            raise SettingError(
                f"{path}: an exported file runs in {needed}, not in {wanted}; leave the runtime out", argument="runtime"
            )
    if wanted == "torch" and importlib.util.find_spec("torch") is None:
        for path in paths:
            find_model_file(path)
        raise UnsupportedError(missing_package("torch"))
    return RUNTIMES[wanted]()
