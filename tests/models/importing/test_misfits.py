"""Tensors that do not fit name the option that their network was built with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.models import detection

from pixelwise.errors import ModelError
from pixelwise.models.importing.importer import import_tensors
from pixelwise.models.importing.misfits import explain_by_names
from pixelwise.models.importing.recipe import Recipe

SMP = {
    "scse": ("Unet", "smp-unet-resnet18", {"decoder_attention_type": "scse"}, "decoder_attention_type='scse'"),
    "depth 4": ("Unet", "smp-unet-resnet18", {"encoder_depth": 4, "decoder_channels": (8,) * 4}, "encoder_depth=4"),
    "depth 3": ("Unet", "smp-unet-resnet18", {"encoder_depth": 3, "decoder_channels": (8,) * 3}, "encoder_depth=3"),
    "no norms": ("Unet", "smp-unet-resnet18", {"decoder_use_norm": False}, "decoder_use_norm=False"),
    "channels": (
        "DeepLabV3",
        "smp-deeplabv3-resnet18",
        {"decoder_channels": 64},
        "What was otherwise: decoder_channels",
    ),
    "depth of deeplabv3": ("DeepLabV3", "smp-deeplabv3-resnet18", {"encoder_depth": 4}, "encoder_depth"),
    "separable": (
        "DeepLabV3",
        "smp-deeplabv3-resnet18",
        {"decoder_aspp_separable": True},
        "decoder_aspp_separable=True",
    ),
    "not separable": (
        "DeepLabV3Plus",
        "smp-deeplabv3plus-resnet18",
        {"decoder_aspp_separable": False},
        "decoder_aspp_separable=False",
    ),
    "depth of deeplabv3plus": ("DeepLabV3Plus", "smp-deeplabv3plus-resnet18", {"encoder_depth": 4}, "encoder_depth"),
    "another encoder": ("Unet", "smp-unet-resnet34", {}, "Its encoder is another one: give the source that has it"),
    "another known one": (
        "DeepLabV3Plus",
        "smp-unet-resnet18",
        {},
        "DeepLabV3Plus, give the source smp-deeplabv3plus-",
    ),
    "another decoder": ("FPN", "smp-unet-resnet18", {}, "those of the library's FPN, which has no form here"),
}


def smp_state(architecture: str, **options: Any) -> dict[str, torch.Tensor]:
    smp = pytest.importorskip("segmentation_models_pytorch")
    with torch.device("meta"):
        network = getattr(smp, architecture)("resnet18", encoder_weights=None, classes=2, **options)
    return dict(network.state_dict())


@pytest.mark.parametrize("case", SMP)
def test_options_of_smp_are_named(case: str) -> None:
    architecture, source, options, message = SMP[case]
    with pytest.raises(ModelError) as raised:
        import_tensors(smp_state(architecture, **options), source)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "architecture",
    [
        "UnetPlusPlus",
        "MAnet",
        "Linknet",
        "FPN",
        "PSPNet",
        "PAN",
        "UPerNet",
        "Segformer",
        "DeepLabV3",
        "DeepLabV3Plus",
        "Unet",
    ],
)
def test_every_architecture_is_known_by_its_tensors(architecture: str) -> None:
    state = smp_state(architecture)
    assert f"the library's {architecture}," in explain_by_names(_recipe("none of them"), state)
    assert explain_by_names(_recipe(architecture.lower()), state) == ""


def _recipe(architecture: str) -> Recipe:
    return Recipe("segmentation_models_pytorch", "unet", rename=dict, heads=("head",), architecture=architecture)


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        ("maskrcnn_resnet50_fpn_v2", {}, "a network of the second kind"),
        ("keypointrcnn_resnet50_fpn", {}, "a network of key points"),
        ("retinanet_resnet50_fpn", {}, "a network without proposals"),
        ("fasterrcnn_resnet50_fpn", {}, "mask_head"),
        ("maskrcnn_resnet50_fpn", {"anchors": ((0.5, 1.0),)}, "the option anchor_ratios"),
    ],
)
def test_networks_of_torchvision_are_named(build: str, options: dict[str, Any], message: str) -> None:
    if options:
        (ratios,) = options["anchors"]
        sizes = tuple((side,) for side in (32, 64, 128, 256, 512))
        options = {"rpn_anchor_generator": detection.rpn.AnchorGenerator(sizes, (ratios,) * 5)}
    with torch.device("meta"):
        network = getattr(detection, build)(weights=None, weights_backbone=None, **options)
    with pytest.raises(ModelError) as raised:
        import_tensors(network.state_dict(), "maskrcnn_resnet50_fpn")
    assert message in str(raised.value)


def test_another_trunk_of_torchvision_can_be_named() -> None:
    with torch.device("meta"):
        backbone = detection.backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None)
        state = detection.FasterRCNN(backbone, 3).state_dict()
    with pytest.raises(ModelError, match="Its trunk is another one: give the option encoder=NAME"):
        import_tensors(state, "fasterrcnn_resnet50_fpn")
    real = {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in state.items()}
    model = import_tensors(real, "fasterrcnn_resnet50_fpn", encoder="resnet18", norm="batch").model
    assert len(model.label_space) == 2
