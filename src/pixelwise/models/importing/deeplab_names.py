"""Renaming the tensors of the DeepLabs of torchvision and segmentation_models_pytorch (smp) to the names used here.

Only names are changed. A name without a rule is kept, so that loading reports it. The new names are those inside the
network; a model holds them under ``network.``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from pixelwise.encoders.mobilenet import mobilenetv3_from_torchvision

_PYRAMID_NAMES = (
    # In torchvision and smp, image pooling is the last branch, and an average pool is its first layer.
    (r"^convs\.4\.1\.", "image_pooling.0."),
    (r"^convs\.4\.2\.", "image_pooling.1."),
    # smp nests the two parts of a separable convolution.
    (r"^convs\.(\d)\.0\.0\.", r"branches.\1.0."),
    (r"^convs\.(\d)\.0\.1\.", r"branches.\1.1."),
    (r"^convs\.(\d)\.", r"branches.\1."),
    (r"^project\.([01])\.", r"project.0.\1."),
)

_TORCHVISION_HEAD_NAMES = ((r"^1\.", "decoder.1.0."), (r"^2\.", "decoder.1.1."), (r"^4\.", "head."))

_SEPARABLE_NAMES = ((r"^0\.0\.", "0."), (r"^0\.1\.", "1."), (r"^1\.", "2."))
"""Rules from smp's separable convolution, in a sequence with its batch norm, to three parts of one sequence."""

_SEPARABLE_AFTER_PYRAMID_NAMES = ((r"^1\.0\.", "0."), (r"^1\.1\.", "1."), (r"^2\.", "2."))
"""The same rules for a sequence whose first part is the pyramid."""


def _rewrite(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def _pyramid(name: str, *, separable: bool) -> str:
    """Rename a tensor of an ASPP; the batch norm of separable branches is the second part there and the third here."""
    nested = ((r"^convs\.([123])\.1\.", r"branches.\1.2."),) if separable else ()
    return _rewrite(name, (*nested, *_PYRAMID_NAMES))


def deeplabv3_from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of torchvision's ``deeplabv3_resnet50``, ``_resnet101`` and ``_mobilenet_v3_large``.

    They then fit ``build_model("deeplabv3", form="torchvision", trunk=...)``, with ``auxiliary=True`` where the state
    has tensors called ``aux_classifier``.
    """
    renamed = _trunk_and_auxiliary(state)
    for key in state:
        head = key.removeprefix("classifier.")
        if head == key:
            continue
        if head.startswith("0."):
            renamed[f"decoder.0.{_pyramid(head[2:], separable=False)}"] = state[key]
        else:
            renamed[_rewrite(head, _TORCHVISION_HEAD_NAMES)] = state[key]
    return renamed


def fcn_from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of torchvision's ``fcn_resnet50`` and ``_resnet101`` to fit ``build_model("fcn_dilated")``."""
    renamed = _trunk_and_auxiliary(state)
    renamed.update(
        {f"head.{key.removeprefix('classifier.')}": state[key] for key in state if key.startswith("classifier.")}
    )
    return renamed


def _trunk_and_auxiliary(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    trunk = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    if any(".block." in key for key in trunk):
        trunk = {f"body.{key}": value for key, value in mobilenetv3_from_torchvision(trunk).items()}
    renamed = {f"encoder.{key}": value for key, value in trunk.items()}
    for key, value in state.items():
        if key.startswith("aux_classifier."):
            renamed[f"auxiliary.{key.removeprefix('aux_classifier.')}"] = value
        elif not key.startswith(("backbone.", "classifier.")):
            renamed[key] = value
    return renamed


def deeplabv3_from_smp(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of smp's ``DeepLabV3`` on a ResNet.

    They then fit ``build_model("deeplabv3", form="smp", trunk=...)``.
    """
    rules = ((r"^decoder\.conv\.", "decoder.1.0."), (r"^decoder\.bn\.", "decoder.1.1."))
    renamed = {}
    for key, value in state.items():
        if key.startswith("decoder.aspp."):
            name = f"decoder.0.{_pyramid(key.removeprefix('decoder.aspp.'), separable=False)}"
        else:
            name = _rewrite(key, (*rules, (r"^segmentation_head\.0\.", "head.")))
        renamed[name] = value
    return renamed


def deeplabv3plus_from_smp(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of smp's ``DeepLabV3Plus`` on a ResNet.

    They then fit ``build_model("deeplabv3plus", form="smp", encoder="resnet50_atrous")``, or another ResNet's name with
    ``_atrous``.
    """
    renamed = {}
    for key, value in state.items():
        if key.startswith("decoder.aspp.0."):
            name = f"decoder.aspp.{_pyramid(key.removeprefix('decoder.aspp.0.'), separable=True)}"
        elif key.startswith("decoder.aspp."):
            part = key.removeprefix("decoder.aspp.")
            name = f"decoder.after.{_rewrite(part, _SEPARABLE_AFTER_PYRAMID_NAMES)}"
        elif key.startswith("decoder.block1."):
            name = f"decoder.reduce.{key.removeprefix('decoder.block1.')}"
        elif key.startswith("decoder.block2."):
            name = f"decoder.refine.0.{_rewrite(key.removeprefix('decoder.block2.'), _SEPARABLE_NAMES)}"
        else:
            name = _rewrite(key, ((r"^segmentation_head\.0\.", "head."),))
        renamed[name] = value
    return renamed
