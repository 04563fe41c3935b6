"""The table of models, and the one function that builds from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pixelwise.encoders import TimmEncoder, load_encoder_weights
from pixelwise.errors import ModelError, SettingError, unknown_name
from pixelwise.models.base import SegmentationModel
from pixelwise.models.deeplab import deeplabv3plus
from pixelwise.models.fcn import fcn
from pixelwise.models.unet import unet
from pixelwise.types import LabelSpace, Preprocessing

DEFAULT_ENCODER = "tf_efficientnet_lite0"


@dataclass(frozen=True)
class ModelEntry:
    """What the table knows about a model before it is built."""

    build: Callable[..., SegmentationModel]
    """Called with encoder, label space and preprocessing, then the options of the model by keyword."""
    summary: str
    output_stride: int = 32
    """Stride of the encoder's deepest map, where the encoder can be dilated to it."""


MODELS: dict[str, ModelEntry] = {
    "unet": ModelEntry(unet, "U-Net (2015) on a pretrained encoder: fine outlines, small objects"),
    "deeplabv3plus": ModelEntry(
        deeplabv3plus, "DeepLabv3+ (2018) on a pretrained encoder: context at several rates, fast", output_stride=16
    ),
    "fcn": ModelEntry(fcn, "FCN-8s (2015) on a pretrained encoder: the plain baseline, fastest"),
}


def build_model(
    name: str,
    *,
    classes: int | LabelSpace,
    encoder: str = DEFAULT_ENCODER,
    pretrained: bool = False,
    in_channels: int = 3,
    preprocessing: Preprocessing | None = None,
    **options: Any,
) -> SegmentationModel:
    """Build a model by name.

    Args:
        name: a key of :data:`MODELS`.
        classes: the number of classes, or a label space, which then travels with the model.
        encoder: any convolutional timm model.
        pretrained: whether to fill the encoder with ImageNet weights; see
            :func:`pixelwise.encoders.load_encoder_weights`.
        in_channels: channels of the pictures.
        preprocessing: how pictures are normalised; by default as the encoder's published weights expect.
        **options: options of the model, such as ``decoder_channels``.

    Raises:
        ModelError: no such model or encoder, or weights that cannot be had.
        SettingError: an option the model does not have, or fewer than one class or channel.
    """
    if name not in MODELS:
        raise ModelError(unknown_name("model", name, MODELS))
    entry = MODELS[name]
    known = [p.name for p in inspect.signature(entry.build).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise SettingError(unknown_name(f"option of model '{name}'", option, known))
    if in_channels < 1:
        raise SettingError(f"in_channels is {in_channels}; a picture has at least 1 channel")
    label_space = LabelSpace.of(classes)
    trunk = TimmEncoder(encoder, in_channels=in_channels, output_stride=entry.output_stride)
    if preprocessing is None:
        preprocessing = default_preprocessing(trunk, in_channels)
    elif preprocessing.channels != in_channels:
        raise SettingError(f"preprocessing is for {preprocessing.channels} channels, but in_channels is {in_channels}")
    model = entry.build(trunk, label_space, preprocessing, **options)
    model.name = name
    model.options = {"encoder": encoder, "in_channels": in_channels, **options}
    if pretrained:
        load_encoder_weights(trunk)
    return model


def default_preprocessing(encoder: TimmEncoder, channels: int) -> Preprocessing:
    """Normalise as the encoder's published weights expect; other channel counts get the mean over RGB."""
    mean, std = encoder.default_normalisation
    if channels != len(mean):
        mean, std = (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
    return Preprocessing(mean, std)
