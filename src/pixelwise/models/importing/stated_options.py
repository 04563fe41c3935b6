"""Reading how a network was built from the configuration or the settings beside the tensors of a checkpoint.

segmentation_models_pytorch writes ``config.json`` beside the tensors (``save_pretrained``), and training loops store
their settings in the checkpoint. They state what tensors do not show: how maps are enlarged, the rates of an atrous
pyramid, and whether each class has a sigmoid of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixelwise.errors import ModelError, SettingError, quoted

CONFIG_FILE = "config.json"
SETTINGS_DEPTH = 4
"""The most levels of settings inside settings that are searched."""

SINGLE_CLASS_ACTIVATIONS = (None, "none", "identity", "softmax", "softmax2d", "logsoftmax")
"""Activations, by the library's names, with which a pixel has the class of its largest score."""


@dataclass(frozen=True)
class StatedOptions:
    """The options of a network that a file states.

    Args:
        file: the file that states it.
        options: the arguments that segmentation_models_pytorch built the network with, under the library's own names.
        multilabel: the statement that each class has a score of its own, from a sigmoid; empty where there is none.
    """

    file: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    multilabel: str = ""


def read_stated_options(path: Path, content: Any) -> StatedOptions:
    """Read the options that are stated beside or inside a checkpoint.

    Args:
        path: the checkpoint.
        content: everything that the checkpoint holds.

    Raises:
        ModelError: the configuration beside it is no JSON.
    """
    config = path.parent / CONFIG_FILE
    if config.is_file():
        try:
            read = json.loads(config.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{config}: lies beside {path.name} but is no JSON ({error}); mend or remove it") from None
        if isinstance(read, dict) and "encoder_name" in read:  # otherwise the file is not smp's
            sigmoid = f"{config}: activation is 'sigmoid'" if read.get("activation") == "sigmoid" else ""
            return StatedOptions(str(config), read, sigmoid)
    for key, value in _settings(content, SETTINGS_DEPTH):
        if isinstance(value, str) and (key, value.lower()) in (("activation", "sigmoid"), ("mode", "multilabel")):
            return StatedOptions(str(path), multilabel=f"its settings say {key}='{value}'")
    return StatedOptions()


def _settings(content: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Give all keys and values of settings, including those of settings inside settings."""
    content = vars(content) if isinstance(content, argparse.Namespace) else content
    if depth and isinstance(content, Mapping):
        for key, value in content.items():
            yield str(key), value
            yield from _settings(value, depth - 1)


def take_activation(options: dict[str, Any], stated: StatedOptions, classes: int) -> bool:
    """Remove the option ``activation`` from options, and refuse networks with a sigmoid for each of several classes.

    Args:
        options: the options that the user gave, which take precedence.
        stated: the options that files state.
        classes: the number of classes of the network.

    Returns:
        Whether the user or a file states the activation.

    Raises:
        ModelError: the network has several sigmoids.
        SettingError: there is no such activation.
    """
    multilabel = stated.multilabel
    known = bool(multilabel) or "activation" in stated.options
    if "activation" in options:
        given = options.pop("activation")
        given = given.lower() if isinstance(given, str) else given
        if given not in (*SINGLE_CLASS_ACTIVATIONS, "sigmoid"):
            raise SettingError(f"activation is {quoted(given)}; choose none, softmax or sigmoid")
        known, multilabel = True, "activation is 'sigmoid'" if given == "sigmoid" else ""
    if multilabel and classes > 1:
        raise ModelError(
            f"{multilabel}, so that each of the {classes} classes was scored for itself and a pixel may be of several "
            "or of none. Models here give a pixel the one class of its largest score: their labels would be others. "
            "Networks of several labels a pixel have no form yet; where the largest score is what you want, give the "
            "option activation=none"
        )
    return known


def options_of(stated: StatedOptions, architecture: str, encoder: str) -> dict[str, Any]:
    """Convert the options of a configuration to options of our model.

    Args:
        stated: the options that files state.
        architecture: the architecture that the user named, such as ``"unet"``.
        encoder: the encoder that the user named, such as ``"resnet34"``.

    Raises:
        ModelError: the configuration belongs to another network, or has an option that has no equivalent here.
    """
    config = stated.options
    if not config:
        return {}
    named = {"_model_class": architecture, "encoder_name": encoder}
    for key, value in named.items():
        found = config.get(key, value)
        if str(found).lower() != value.lower():
            raise ModelError(
                f"{stated.file}: {key} is {quoted(found)}, but the source names smp-{architecture}-{encoder}"
            )
    norms = (True, "batchnorm", {"type": "batchnorm"})
    strides, final = ((8, 16), 8) if architecture == "deeplabv3" else ((16,), 4)
    fixed: dict[str, tuple[Any, ...]] = {
        "encoder_depth": (5,),
        "decoder_use_norm": norms,
        "decoder_use_batchnorm": norms,
        "decoder_attention_type": (None,),
        "decoder_interpolation": ("nearest", "bilinear"),
        "decoder_aspp_separable": (architecture == "deeplabv3plus",),
        "encoder_output_stride": strides,
        "upsampling": (None, final),
    }
    for key, values in fixed.items():
        if key in config and config[key] not in values:
            choice = " or ".join(map(str, values))
            raise ModelError(
                f"{stated.file}: {key} is {quoted(config[key])}, which has no form here; it can be {choice}"
            )
    wanted = {"decoder_interpolation": "upsampling", "decoder_atrous_rates": "atrous_rates"}
    if architecture == "deeplabv3":
        wanted["encoder_output_stride"] = "output_stride"
    return {ours: config[theirs] for theirs, ours in wanted.items() if theirs in config}
