"""Explaining why tensors do not fit: their names and shapes show the option that a network was built with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from pixelwise.models.importing.recipe import Recipe, Tensors

ARCHITECTURE_PATTERNS = {
    r"decoder\.blocks\.x_\d_\d\.": "UnetPlusPlus",
    r"decoder\.(pab\.|blocks\.\d\.SE_)": "MAnet",
    r"decoder\.blocks\.\d\.block\.": "Linknet",
    r"decoder\.(p5|seg_blocks)\.": "FPN",
    r"decoder\.(fpa|gau\d)\.": "PAN",
    r"decoder\.(feature_norms|fusion_block)\.": "UPerNet",
    r"decoder\.psp\.": "PSPNet",
    r"decoder\.fuse_stage\.": "Segformer",
    r"decoder\.fusion_blocks\.": "DPT",
    r"decoder\.aspp\.0\.convs\.": "DeepLabV3Plus",
    r"decoder\.(aspp|0)\.convs\.": "DeepLabV3",
    r"decoder\.blocks\.\d\.conv1\.": "Unet",
}
"""Names of tensors that only one architecture of segmentation_models_pytorch has; the first pattern found decides."""

IMPORTED_ARCHITECTURES = ("DeepLabV3Plus", "DeepLabV3", "Unet")

SMP_OPTION_PATTERNS = {
    r"decoder\.blocks\.\d\.attention\d\.attention\.": "decoder_attention_type='scse'",
    r"decoder\.blocks\.\d\.conv\d\.0\.bias": "decoder_use_norm=False",
    r"decoder\.center\.\d\.": "the centre block that it gives a VGG",
}
"""Names of tensors that exist because of an option of segmentation_models_pytorch -> the option."""

TORCHVISION_PATTERNS = {
    r"rpn\.head\.conv\.1\.|roi_heads\.box_head\.\d\.\d\.": "a network of the second kind (..._fpn_v2)",
    r"roi_heads\.keypoint_": "a network of key points (keypointrcnn)",
    r"head\.(classification_head|regression_head)\.": "a network without proposals (retinanet, fcos or ssd)",
}
"""Names of tensors of torchvision's networks for objects that have no equivalent here -> the kind of network."""

OPTIONS_BY_SHAPE: tuple[tuple[str, int, str], ...] = (
    (r"rpn\.head\.(cls_logits|bbox_pred)\.", 0, "anchor_sizes or anchor_ratios: the option anchor_ratios=[0.5,1,2]"),
    (r"heads\.box_head\.fc\d\.", 0, "a box head of another width: the option head=N"),
    (r"heads\.mask_head\.", 0, "a mask head of another width: the option mask_head=N"),
    (r"trunk\.fpn\.(inner|layer)_blocks\.", 0, "a pyramid of another width: the option channels=N"),
    (r"trunk\.encoder\.", 0, "another trunk: the option encoder=resnet101, say"),
    (r"encoder\.", 0, "another encoder than the source names"),
    (r"decoder\.steps\.0\.0\.0\.", 1, "encoder_depth, or another encoder than the source names"),
    (r"decoder\.steps\.", 0, "decoder_channels: the option decoder_channels=[256,128,64,32,16], say"),
    (r"decoder\.(aspp|0)\.(branches|image_pooling)\.", 1, "encoder_depth, or another encoder than the source names"),
    (r"decoder\.", 0, "decoder_channels"),
)
"""Our name of a tensor, the axis whose size differs, and the option that differs, in the words of the library."""


def explain_by_names(recipe: Recipe, tensors: Tensors) -> str:
    """Say what the names of tensors show that cannot be imported; the text is empty if they show nothing.

    Args:
        recipe: the recipe of the network that was named.
        tensors: the tensors of the checkpoint.
    """
    if not recipe.architecture:
        kinds = [kind for pattern, kind in TORCHVISION_PATTERNS.items() if _any(pattern, tensors)]
        return f"the tensors are of {' and '.join(kinds)}, which has no form here" if kinds else ""
    found = next((name for pattern, name in ARCHITECTURE_PATTERNS.items() if _any(pattern, tensors)), None)
    if found is not None and found.lower() != recipe.architecture:
        form = (
            f"give the source smp-{found.lower()}-ENCODER"
            if found in IMPORTED_ARCHITECTURES
            else "which has no form here"
        )
        return f"the tensors are those of the library's {found}, {form}"
    options = _options(recipe.architecture, tensors)
    return f"this network was built with {' and '.join(options)}, which has no form here" if options else ""


def _options(architecture: str, tensors: Tensors) -> list[str]:
    """Name the options of segmentation_models_pytorch that the names of tensors show."""
    options = [option for pattern, option in SMP_OPTION_PATTERNS.items() if _any(pattern, tensors)]
    blocks = {found[1] for name in tensors if (found := re.match(r"decoder\.blocks\.(\d)\.", name))}
    if architecture == "unet" and len(blocks) not in (0, 5):
        options.append(f"encoder_depth={len(blocks)}")
    separable = _any(r"decoder\.(aspp\.0|aspp|0)\.convs\.1\.0\.1\.weight", tensors)
    if architecture.startswith("deeplab") and separable != (architecture == "deeplabv3plus"):
        options.append(f"decoder_aspp_separable={separable}")
    return options


def explain_by_shapes(misfits: Sequence[str], given: Tensors, wanted: Mapping[str, Tensor]) -> str:
    """Say which option differs, by the first tensors of another shape that show it; the text is empty if none does.

    Args:
        misfits: our names of the tensors that have another shape.
        given: our name -> tensor of the checkpoint.
        wanted: our name -> tensor of the model here.
    """
    options: dict[str, None] = {}
    for name in misfits:
        found, expected = given[name].shape, wanted[name].shape
        off = [axis for axis, sides in enumerate(zip(found, expected, strict=False)) if sides[0] != sides[1]]
        option = next(
            (option for pattern, axis, option in OPTIONS_BY_SHAPE if re.match(pattern, name) and axis in off), None
        )
        if option is not None:
            options[option] = None
        if len(options) == 2:
            break
    return " and ".join(options)


def _any(pattern: str, tensors: Tensors) -> bool:
    return any(re.match(pattern, name) for name in tensors)
