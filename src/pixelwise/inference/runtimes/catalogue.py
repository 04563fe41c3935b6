"""The table of runtimes; each is imported when it is opened, so that unused libraries are not loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pixelwise.errors import SettingError, unknown_name
from pixelwise.inference.runtimes.base import ObjectRuntime, Runtime

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


RUNTIMES: dict[str, Callable[[], Opener]] = {"torch": _torch}
"""Name -> function that imports the opener."""


def opener_of(runtime: str) -> Opener:
    """Import the opener of a runtime; ``"auto"`` is torch.

    Raises:
        SettingError: there is no such runtime.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise SettingError(unknown_name("runtime", runtime, ("auto", *RUNTIMES)), argument="runtime")
    return RUNTIMES["torch" if runtime == "auto" else runtime]()
