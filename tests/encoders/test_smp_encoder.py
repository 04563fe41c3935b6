"""Encoders of segmentation_models_pytorch, rebuilt: shapes, dilation, padding. Parity: tests/models/test_parity.py."""

from __future__ import annotations

import pytest
import torch

from pixelwise.encoders import build_encoder
from pixelwise.encoders.smp_encoder import TRAINED_SIDES, block_places
from pixelwise.errors import ModelError
from pixelwise.nn.blocks import DepthwiseConv2d

NAMES = ["smp-mobilenet_v2", "smp-efficientnet-b0", "smp-timm-tf_efficientnet_lite0", "smp-resnext50_32x4d"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_maps_have_the_channels_and_strides_that_are_declared(name: str, output_stride: int) -> None:
    with torch.device("meta"):
        encoder = build_encoder(name, in_channels=4, output_stride=output_stride).eval()  # type: ignore[attr-defined]
        maps = encoder(torch.empty(1, 4, 96, 64))
    assert [m.shape[1] for m in maps] == list(encoder.channels)
    assert [(96 // m.shape[2], 64 // m.shape[3]) for m in maps] == [(s, s) for s in encoder.strides]
    assert max(encoder.strides) == output_stride
    assert encoder.name == name


def test_dilation_takes_the_whole_stage() -> None:
    encoder = build_encoder("smp-resnext50_32x4d", output_stride=16)
    stage = encoder.body.layer4  # type: ignore[attr-defined]
    assert {conv.dilation for conv in stage.modules() if isinstance(conv, torch.nn.Conv2d)} == {(2, 2)}
    assert encoder.body.layer3[1].conv2.dilation == (1, 1)  # type: ignore[attr-defined]


def test_efficientnet_pads_as_for_the_pictures_it_was_trained_on() -> None:
    # 260 px: 130, 65, 33, 17, 9. Even maps get one zero less before than after, odd ones as many: TensorFlow's "SAME".
    encoder = build_encoder("smp-efficientnet-b2")
    strided = [c for c in encoder.modules() if isinstance(c, DepthwiseConv2d) and c.stride == (2, 2)]
    assert TRAINED_SIDES[2] == 260
    assert [conv.uneven_padding for conv in strided] == [(0, 1), (2, 2), (1, 1), (2, 2)]


@pytest.mark.parametrize("version", [0, 3, 7])
def test_blocks_are_numbered_as_timm_groups_them(version: int) -> None:
    encoder = build_encoder(f"smp-efficientnet-b{version}")
    stages = encoder.body.blocks  # type: ignore[attr-defined]
    assert block_places(version) == [(i, j) for i, stage in enumerate(stages) for j in range(len(stage))]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelError, match="no encoder here gives the maps of smp's 'vgg16'"):
        build_encoder("smp-vgg16")
