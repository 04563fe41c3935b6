"""Networks of segmentation_models_pytorch (smp): the encoders that they have here, and the names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pixelwise.encoders.smp_encoder import SMP_PREFIX, block_places
from pixelwise.encoders.timm_encoder import published_normalisation
from pixelwise.errors import ModelError, unknown_name
from pixelwise.models.importing.deeplab_names import deeplabv3_from_smp, deeplabv3plus_from_smp
from pixelwise.models.importing.recipe import Recipe, Rename, Tensors
from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD

SMP_ARCHITECTURES = ("unet", "deeplabv3", "deeplabv3plus")
"""The architectures that can be imported."""

SMP_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
SMP_RESNEXTS = tuple(f"resnext{kind}d" for kind in ("50_32x4", "101_32x4", "101_32x8", "101_32x16", "101_32x32"))
REBUILT_ENCODERS = (
    "mobilenet_v2",
    *(f"efficientnet-b{version}" for version in range(8)),
    *(f"timm-efficientnet-b{version}" for version in range(9)),
    *(f"timm-tf_efficientnet_lite{version}" for version in range(5)),
)
"""Encoders of the library that :mod:`pixelwise.encoders.smp_encoder` rebuilds."""

TIMM_PREFIXES = ("timm-regnet", "timm-res2", "timm-resnest", "timm-mobilenetv3", "timm-gernet")
"""Beginnings of the library's older names of encoders that it now takes from timm unchanged."""

USELESS_PREFIXES = (
    "classification_head.",
    *("encoder.fc.", "encoder._fc.", "encoder.classifier."),
    *("encoder.conv_head.", "encoder.bn2.", "encoder._conv_head.", "encoder._bn1."),  # after EfficientNet's last map
)
"""Beginnings of the names of tensors that no label depends on."""

FIRST_STAGE_PARTS = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHER_STAGE_PARTS = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1"},
    **{"_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
}
"""Names of the parts of a block in the library's own EfficientNet -> timm's names."""


def smp_recipe(architecture: str, encoder: str, tensors: Tensors) -> Recipe:
    """Find the recipe of a network.

    Args:
        architecture: one of :data:`SMP_ARCHITECTURES`.
        encoder: the library's name of its encoder.
        tensors: the tensors of the checkpoint, which show how wide the decoder is.

    Raises:
        ModelError: the encoder has no equivalent here.
    """
    recipes = {"unet": _unet, "deeplabv3": _deeplabv3, "deeplabv3plus": _deeplabv3plus}
    model, rename, options, assumed = recipes[architecture](encoder, tensors)
    return Recipe(
        library="segmentation_models_pytorch",
        model=model,
        rename=rename,
        heads=("head",),
        options=options,
        useless=USELESS_PREFIXES,
        normalisation=_normalisation(encoder),
        assumed=assumed,
        architecture=architecture,
        encoder=encoder,
    )


Parts = tuple[str, Rename, dict[str, Any], dict[str, Any]]
"""The name of our model, the renaming, options that are known and options that are assumed."""


def _unet(encoder: str, tensors: Tensors) -> Parts:
    ours = encoder if encoder in SMP_RESNETS + SMP_RESNEXTS else _encoder(encoder, "unet")
    widths: list[int] = []
    while (first := tensors.get(f"decoder.blocks.{len(widths)}.conv1.0.weight")) is not None:
        widths.append(len(first))

    def rename(state: Mapping[str, Any]) -> dict[str, Any]:
        return _rewrite(
            _rename_encoder(state, ours),
            (r"^decoder\.blocks\.(\d+)\.conv1\.", r"decoder.steps.\1.0."),
            (r"^decoder\.blocks\.(\d+)\.conv2\.", r"decoder.steps.\1.1."),
            (r"^segmentation_head\.0\.", "head."),
        )

    options = {"encoder": ours, **({"decoder_channels": widths} if widths else {})}
    return "unet", rename, options, {"upsampling": "nearest"}


def _deeplabv3(encoder: str, tensors: Tensors) -> Parts:
    if encoder not in SMP_RESNETS:
        raise ModelError(
            f"smp-deeplabv3-{encoder}: this encoder has no form here under DeepLabV3; those that have one are "
            f"{', '.join(SMP_RESNETS)}"
        )

    def rename(state: Mapping[str, Any]) -> dict[str, Any]:
        # Until 2024, the parts of the library's decoder had numbers for names.
        named = {"0": "aspp", "1": "conv", "2": "bn"}
        rules = ((rf"^decoder\.{number}\.", f"decoder.{name}.") for number, name in named.items())
        return deeplabv3_from_smp(_rewrite(state, *rules))

    assumed = {"output_stride": 8, "atrous_rates": (12, 24, 36)}
    return "deeplabv3", rename, {"trunk": encoder, "form": "smp"}, assumed


def _deeplabv3plus(encoder: str, tensors: Tensors) -> Parts:
    ours = f"{encoder}_atrous" if encoder in SMP_RESNETS else _encoder(encoder, "deeplabv3plus")

    def rename(state: Mapping[str, Any]) -> dict[str, Any]:
        return deeplabv3plus_from_smp(_rename_encoder(state, ours))

    options: dict[str, Any] = {"encoder": ours, "form": "smp"}
    if (refined := tensors.get("decoder.block2.0.1.weight")) is not None:
        options["decoder_channels"] = len(refined)
    return "deeplabv3plus", rename, options, {"atrous_rates": (12, 24, 36)}


def _encoder(encoder: str, architecture: str) -> str:
    """Give the name of our encoder that gives the same maps as an encoder of the library.

    Raises:
        ModelError: there is no such encoder.
    """
    name = encoder
    if encoder.startswith(TIMM_PREFIXES):
        name = encoder.replace("timm-mobilenetv3", "tu-tf_mobilenetv3").replace("timm-", "tu-")
    if name.startswith("tu-"):
        import timm  # here, because timm takes longer to import than torch

        name = name.removeprefix("tu-")
        if not timm.is_model(name):
            raise ModelError(unknown_name("timm model", name, timm.list_models()))
        return name
    if encoder in SMP_RESNEXTS + REBUILT_ENCODERS:
        return SMP_PREFIX + encoder
    known = (*SMP_RESNETS, *SMP_RESNEXTS, "mobilenet_v2", "efficientnet-b0 to b7", "timm-efficientnet-b0 to b8")
    raise ModelError(
        f"smp-{architecture}-{encoder}: no encoder here gives the maps of this one; those that have a form are "
        f"{', '.join(known)}, timm-tf_efficientnet_lite0 to lite4, and timm's as tu-NAME"
    )


def _normalisation(encoder: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give what the library's ``get_preprocessing_params`` states: ImageNet's figures unless timm has others."""
    if not encoder.startswith("tu-"):
        return IMAGENET_MEAN, IMAGENET_STD
    return published_normalisation(encoder.removeprefix("tu-"))


def _rename_encoder(state: Mapping[str, Any], ours: str) -> dict[str, Any]:
    """Give the tensors of an encoder the names that they have in our encoder ``ours``."""
    if ours.endswith("_atrous") or ours == f"{SMP_PREFIX}mobilenet_v2":
        return dict(state)
    if matched := re.fullmatch(rf"{SMP_PREFIX}efficientnet-b(\d)", ours):
        return _rename_efficientnet(state, int(matched[1]))
    return _rewrite(state, (r"^encoder\.(model\.)?", "encoder.body."))


def _rename_efficientnet(state: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Give the tensors of the library's EfficientNet timm's names.

    The library numbers all blocks in a row, timm within each stage; and timm has other names for the parts of a block.
    """
    places = block_places(version)
    renamed = {}
    for name, value in state.items():
        matched = re.fullmatch(r"encoder\._blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if matched is not None and int(matched[1]) < len(places):
            stage, place = places[int(matched[1])]
            parts = FIRST_STAGE_PARTS if stage == 0 else OTHER_STAGE_PARTS
            parts = {**parts, "_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
            if matched[2] in parts:
                name = f"encoder.body.blocks.{stage}.{place}.{parts[matched[2]]}.{matched[3]}"
        renamed[name] = value
    return _rewrite(
        renamed, (r"^encoder\._conv_stem\.", "encoder.body.conv_stem."), (r"^encoder\._bn0\.", "encoder.body.bn1.")
    )


def _rewrite(state: Mapping[str, Any], *rules: tuple[str, str]) -> dict[str, Any]:
    """Rename each tensor by the first rule whose pattern matches the beginning of its name."""
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            if re.match(pattern, name):
                name = re.sub(pattern, replacement, name)
                break
        renamed[name] = value
    return renamed
