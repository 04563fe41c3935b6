"""The networks of other libraries that can be imported."""

from __future__ import annotations

import re
from typing import Any

from pixelwise.errors import ModelError, quoted
from pixelwise.models.importing.deeplab_names import deeplabv3_from_torchvision, fcn_from_torchvision
from pixelwise.models.importing.detection_names import rcnn_from_torchvision
from pixelwise.models.importing.recipe import Recipe, Rename, Tensors
from pixelwise.models.importing.smp_sources import SMP_ARCHITECTURES, smp_recipe
from pixelwise.preprocessing import Resize

TORCHVISION_PIXEL_MODELS = {
    "fcn_resnet50": ("fcn_dilated", "resnet50"),
    "fcn_resnet101": ("fcn_dilated", "resnet101"),
    "deeplabv3_resnet50": ("deeplabv3", "resnet50"),
    "deeplabv3_resnet101": ("deeplabv3", "resnet101"),
    "deeplabv3_mobilenet_v3_large": ("deeplabv3", "mobilenetv3_large_100"),
}
"""The name of a network in torchvision -> our model and its trunk."""

TORCHVISION_OBJECT_MODELS = {"fasterrcnn_resnet50_fpn": "faster_rcnn", "maskrcnn_resnet50_fpn": "mask_rcnn"}
"""The name of a network in torchvision that finds objects -> our model; all of them have a ResNet-50."""


def find_recipe(source: str, tensors: Tensors) -> Recipe:
    """Find the recipe of a network.

    Args:
        source: a name of torchvision's such as ``"fcn_resnet50"``, or ``smp-ARCHITECTURE-ENCODER`` in the words of
            segmentation_models_pytorch, such as ``"smp-unet-resnet34"`` or ``"smp-deeplabv3plus-tu-xception65"``.
        tensors: the tensors of the checkpoint; they show what the name does not state.

    Raises:
        ModelError: the network cannot be imported; the message says why, or which networks can be.
    """
    if source in TORCHVISION_PIXEL_MODELS:
        return _torchvision(source, tensors)
    if source in TORCHVISION_OBJECT_MODELS:
        return _rcnn(source)
    matched = re.fullmatch(r"smp-([^-]+)-(.+)", source)
    if matched is not None and matched[1].lower() in SMP_ARCHITECTURES:
        return smp_recipe(matched[1].lower(), matched[2], tensors)
    from_smp = ", ".join(f"smp-{architecture}-ENCODER" for architecture in SMP_ARCHITECTURES)
    from_torchvision = ", ".join((*TORCHVISION_PIXEL_MODELS, *TORCHVISION_OBJECT_MODELS))
    raise ModelError(
        f"there is no source {quoted(source)}. What can be imported: of torchvision {from_torchvision}; of "
        f"segmentation_models_pytorch {from_smp}, ENCODER being the name it has there, such as resnet34, "
        "efficientnet-b0 or tu-convnext_tiny. Other networks can be trained here: see pixelwise models"
    )


def _rcnn(source: str) -> Recipe:
    return Recipe(
        library="torchvision",
        model=TORCHVISION_OBJECT_MODELS[source],
        rename=rcnn_from_torchvision,
        heads=("heads.box_head.cls_score",),
        options={"encoder": "resnet50", "form": "torchvision", "norm": "frozen"},
        assumed={"norm_eps": 1e-5},
        resize=Resize(800, 1333),
        background=1,
    )


def _torchvision(source: str, tensors: Tensors) -> Recipe:
    model, trunk = TORCHVISION_PIXEL_MODELS[source]
    rename: Rename
    options: dict[str, Any]
    if model == "fcn_dilated":
        rename, options, head = fcn_from_torchvision, {"stretch": True}, "head.4"
    else:
        rename, options, head = deeplabv3_from_torchvision, {"form": "torchvision"}, "head"
    options["auxiliary"] = any(name.startswith("aux_classifier.") for name in tensors)
    return Recipe(
        library="torchvision",
        model=model,
        rename=rename,
        heads=(head, "auxiliary.4"),
        options={"trunk": trunk, **options},
        useless=("backbone.fc.", "backbone.classifier."),
    )
