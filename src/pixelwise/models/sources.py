"""Which networks of other libraries have a form here, and what their tensors are called in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import timm
from torch import Tensor

from pixelwise.encoders.timm_encoder import IMAGENET_MEAN, IMAGENET_STD
from pixelwise.errors import ModelError, unknown_name
from pixelwise.models.deeplab_names import (
    deeplabv3_from_smp,
    deeplabv3_from_torchvision,
    deeplabv3plus_from_smp,
    fcn_from_torchvision,
)

Tensors = Mapping[str, Tensor]
Rename = Callable[[Mapping[str, Any]], dict[str, Any]]

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
RESNEXTS = ("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d", "resnext101_32x32d")

TORCHVISION = {
    "fcn_resnet50": ("fcn_dilated", "resnet50"),
    "fcn_resnet101": ("fcn_dilated", "resnet101"),
    "deeplabv3_resnet50": ("deeplabv3", "resnet50"),
    "deeplabv3_resnet101": ("deeplabv3", "resnet101"),
    "deeplabv3_mobilenet_v3_large": ("deeplabv3", "mobilenetv3_large_100"),
}
"""Name of a network in torchvision -> our model and its trunk."""

SMP = ("unet", "deeplabv3", "deeplabv3plus")
"""Architectures of segmentation_models_pytorch that have a form here."""

SMP_THROUGH_TIMM = ("timm-regnet", "timm-res2", "timm-resnest", "timm-mobilenetv3", "timm-gernet")
"""Beginnings of names that the library keeps for encoders it now takes from timm as they are."""


@dataclass(frozen=True)
class Recipe:
    """How a network of another library becomes one of ours."""

    library: str
    model: str
    """Its name in :data:`pixelwise.models.MODELS`."""
    rename: Rename
    """Gives tensors the names that they have inside our network; those it does not know keep theirs."""
    heads: tuple[str, ...]
    """The convolutions that give scores, by our names, the auxiliary one last."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What our form is built with, the encoder included."""
    useless: tuple[str, ...] = ()
    """Beginnings of names, in the library, of tensors that no label depends on."""
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = (IMAGENET_MEAN, IMAGENET_STD)
    """Mean and standard deviation (0 .. 1 scale, RGB) that the library normalises with."""
    assumed: Mapping[str, Any] = field(default_factory=dict)
    """Options of our model that tensors do not tell, and what the library has by default."""


def find_recipe(source: str, tensors: Tensors) -> Recipe:
    """Find how a network becomes one of ours.

    Args:
        source: a name of torchvision's such as ``"fcn_resnet50"``, or ``smp-ARCHITECTURE-ENCODER`` in the words of
            segmentation_models_pytorch, such as ``"smp-unet-resnet34"`` or ``"smp-deeplabv3plus-tu-xception65"``.
        tensors: of the checkpoint; they tell what the name leaves open.

    Raises:
        ModelError: the network has no form here; the message says why, or what has one.
    """
    if source in TORCHVISION:
        return _torchvision(source, tensors)
    matched = re.fullmatch(r"smp-([^-]+)-(.+)", source)
    if matched is None or matched[1] not in SMP:
        known = [*TORCHVISION, *(f"smp-{architecture}-ENCODER" for architecture in SMP)]
        raise ModelError(f"{unknown_name('source', source, known)} (ENCODER as the library names it: resnet34, ...)")
    architecture, encoder = matched[1], matched[2]
    return {"unet": _smp_unet, "deeplabv3": _smp_deeplabv3, "deeplabv3plus": _smp_deeplabv3plus}[architecture](
        encoder, tensors
    )


def _torchvision(source: str, tensors: Tensors) -> Recipe:
    model, trunk = TORCHVISION[source]
    auxiliary = any(name.startswith("aux_classifier.") for name in tensors)
    rename: Rename
    options: dict[str, Any]
    if model == "fcn_dilated":
        rename, options, head = fcn_from_torchvision, {"stretch": True}, "head.4"
    else:
        rename, options, head = deeplabv3_from_torchvision, {"form": "torchvision"}, "head"
    return Recipe(
        library="torchvision",
        model=model,
        rename=rename,
        heads=(head, "auxiliary.4"),
        options={"trunk": trunk, "auxiliary": auxiliary, **options},
        useless=("backbone.fc.", "backbone.classifier."),
    )


def _smp_unet(encoder: str, tensors: Tensors) -> Recipe:
    name = _timm_name(encoder, "unet")
    widths: list[int] = []
    while (first := tensors.get(f"decoder.blocks.{len(widths)}.conv1.0.weight")) is not None:
        widths.append(len(first))
    options = {"encoder": name, **({"decoder_channels": widths} if widths else {})}
    return _smp(
        "unet",
        _unet_from_smp,
        encoder,
        options,
        assumed={"upsampling": "nearest"},
    )


def _smp_deeplabv3(encoder: str, tensors: Tensors) -> Recipe:
    if encoder not in RESNETS:
        raise ModelError(
            f"smp-deeplabv3-{encoder}: the library dilates this encoder in a way that has no form here; "
            f"those that have one are {', '.join(RESNETS)}"
        )
    options = {"trunk": encoder, "form": "smp"}
    assumed = {"output_stride": 8, "atrous_rates": (12, 24, 36)}
    return _smp("deeplabv3", _deeplabv3_from_smp, encoder, options, assumed=assumed)


def _smp_deeplabv3plus(encoder: str, tensors: Tensors) -> Recipe:
    name = f"{encoder}_atrous" if encoder in RESNETS else _timm_name(encoder, "deeplabv3plus")
    if encoder in RESNEXTS:
        raise ModelError(
            f"smp-deeplabv3plus-{encoder}: the library dilates this encoder in a way that has no form here; "
            f"those that have one are {', '.join(RESNETS)}, and timm's as tu-NAME"
        )
    options: dict[str, Any] = {"encoder": name, "form": "smp"}
    reduced = tensors.get("decoder.block2.0.1.weight")
    if reduced is not None:
        options["decoder_channels"] = len(reduced)
    assumed = {"atrous_rates": (12, 24, 36)}
    return _smp("deeplabv3plus", _deeplabv3plus_from_smp, encoder, options, assumed=assumed)


def _smp(model: str, rename: Rename, encoder: str, options: Mapping[str, Any], *, assumed: Mapping[str, Any]) -> Recipe:
    return Recipe(
        library="segmentation_models_pytorch",
        model=model,
        rename=rename,
        heads=("head",),
        options=options,
        useless=("classification_head.", "encoder.fc.", "encoder.classifier.", "encoder.model.fc."),
        normalisation=_normalisation(encoder),
        assumed=assumed,
    )


def _timm_name(encoder: str, architecture: str) -> str:
    """Name the timm model whose maps are those of an encoder of the library.

    Raises:
        ModelError: there is none.
    """
    name = encoder
    if encoder.startswith(SMP_THROUGH_TIMM):
        name = encoder.replace("timm-mobilenetv3", "tu-tf_mobilenetv3").replace("timm-", "tu-")
    if name.startswith("tu-"):
        name = name.removeprefix("tu-")
        if not timm.is_model(name):
            raise ModelError(unknown_name("timm model", name, timm.list_models()))
        return name
    if encoder in RESNETS + RESNEXTS:
        return encoder
    raise ModelError(
        f"smp-{architecture}-{encoder}: this encoder is the library's own, and no encoder here gives the same maps; "
        f"those that have a form are {', '.join(RESNETS + RESNEXTS)}, and timm's as tu-NAME"
    )


def _normalisation(encoder: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What the library's own ``get_preprocessing_params`` says; ImageNet's figures unless timm has others."""
    published = timm.get_pretrained_cfg(encoder.removeprefix("tu-")) if encoder.startswith("tu-") else None
    return (IMAGENET_MEAN, IMAGENET_STD) if published is None else (tuple(published.mean), tuple(published.std))


def _unet_from_smp(state: Tensors) -> dict[str, Tensor]:
    return _rewrite(
        _encoder_from_smp(state),
        (r"^decoder\.blocks\.(\d+)\.conv1\.", r"decoder.steps.\1.0."),
        (r"^decoder\.blocks\.(\d+)\.conv2\.", r"decoder.steps.\1.1."),
        (r"^segmentation_head\.0\.", "head."),
    )


def _deeplabv3_from_smp(state: Tensors) -> dict[str, Tensor]:
    # Until 2024 the decoder of the library was a sequence without names.
    return deeplabv3_from_smp(
        _rewrite(
            state,
            (r"^decoder\.0\.", "decoder.aspp."),
            (r"^decoder\.1\.", "decoder.conv."),
            (r"^decoder\.2\.", "decoder.bn."),
        )
    )


def _deeplabv3plus_from_smp(state: Tensors) -> dict[str, Tensor]:
    through_timm = any(name.startswith("encoder.model.") for name in state)
    return deeplabv3plus_from_smp(_encoder_from_smp(state) if through_timm else state)


def _encoder_from_smp(state: Tensors) -> dict[str, Tensor]:
    """Encoders of timm are wrapped by ``encoder.model`` in the library and by ``encoder.body`` here."""
    return _rewrite(state, (r"^encoder\.(model\.)?", "encoder.body."))


def _rewrite(state: Tensors, *rules: tuple[str, str]) -> dict[str, Tensor]:
    """Rename tensors by the first rule whose pattern their name begins with."""
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            if re.match(pattern, name):
                name = re.sub(pattern, replacement, name)
                break
        renamed[name] = value
    return renamed
