"""Models named with options, such as ``deeplabv3plus:encoder=resnet18:loss=ce+dice``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from pixelwise.errors import SettingError, unknown_name
from pixelwise.models.build import build_model, find_entry
from pixelwise.training.settings import Settings, check_names, read_assignments

SHARED_BY_ALL = {
    "model": "the name before the first colon is the model",
    "seed": "all models are trained with the same seeds",
    "minutes": "all models are given the same time",
    "epochs": "all models are given the same number of epochs",
}
"""Settings that a single model cannot have -> why."""


@dataclass(frozen=True)
class NamedModel:
    """A model to train, by the name that people give it.

    Args:
        name: as it was given.
        settings: the settings of its runs, by name; ``model`` among them.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The beginning of the names of its run folders; other characters than letters, digits and ``+=._-`` are -."""
        return re.sub(r"[^\w+=.,-]+", "-", self.name)


def read_named_model(text: str) -> NamedModel:
    """Read a model with its options.

    Args:
        text: the name of a model, then ``:KEY=VALUE`` for each setting of a run or option of the model. ``upsampling``
            is an option of some models, and ``size`` means ``crop``, as HxW. Values are YAML; colons inside brackets
            and quotes belong to the value.

    Raises:
        ModelError: there is no such model or encoder.
        SettingError: no such setting or option, a value that it cannot have, or a setting that all models share.
    """
    name, *assignments = split_outside(text.strip(), ":")
    entry = find_entry(name)
    options = entry.options.names()
    settings: dict[str, Any] = {"model": name}
    of_model: dict[str, Any] = {}
    for key, value in read_assignments(assignments, example="encoder=resnet18").items():
        if key in SHARED_BY_ALL:
            raise SettingError(f"{text}: {key} cannot be given for one model: {SHARED_BY_ALL[key]}", argument="models")
        if key == "size":
            settings["crop"] = _crop(str(value), text)
        elif key in options:
            of_model[key] = value
        elif key in Settings.model_fields and key != "reasons":
            settings[key] = value
        else:
            known = sorted({*options, *Settings.model_fields} - {"reasons", *SHARED_BY_ALL})
            raise SettingError(f"{text}: {unknown_name('setting or option', key, known)}", argument="models")
    if of_model:
        settings["model_options"] = {**settings.get("model_options", {}), **of_model}
    if settings.get("encoder") is not None and entry.encoder is None:
        raise SettingError(f"{text}: the network has a trunk of its own; leave the encoder out", argument="models")
    check_names(settings)
    given = {key: settings[key] for key in ("encoder", "in_channels") if settings.get(key) is not None}
    with torch.device("meta"):  # on shapes only, so that a wrong name is refused before anything is trained
        build_model(name, classes=2, **given, **settings.get("model_options", {}))
    return NamedModel(text.strip(), settings)


def split_outside(text: str, separator: str) -> list[str]:
    """Split a text at a separator where it stands outside brackets and quotes; spaces around parts are dropped."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts]


def _crop(value: str, text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)[xX](\d+)", value)
    if not found:
        raise SettingError(f"{text}: size is height x width in pixels, such as 288x384", argument="models")
    return int(found[1]), int(found[2])
