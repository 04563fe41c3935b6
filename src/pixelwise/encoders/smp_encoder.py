"""Encoders of segmentation_models_pytorch (smp) whose maps no other encoder gives; imported networks are built on them.

They take their first map after the stem, where timm takes it after the first stage, or their last one after the 1x1
convolution of the classifier, and they are dilated in a way of their own: every convolution of a stage, its first block
and its shortcut included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from torch import Tensor, nn

from pixelwise.encoders.timm_encoder import TimmEncoder
from pixelwise.errors import ModelError
from pixelwise.nn.blocks import DepthwiseConv2d
from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD

SMP_PREFIX = "smp-"
"""The prefix before the library's name of an encoder."""

DEPTH_FACTORS = (1.0, 1.1, 1.2, 1.4, 1.8, 2.2, 2.6, 3.1)
"""Version of EfficientNet -> factor on the number of blocks in each stage."""

BASE_BLOCKS_PER_STAGE = (1, 2, 2, 3, 3, 4, 1)
"""Blocks in each stage at factor 1."""

TRAINED_SIDES = (224, 240, 260, 300, 380, 456, 528, 600)
"""Version of EfficientNet -> side of its ImageNet pictures, whose odd maps determined its fixed padding."""


class SmpEfficientNet(nn.Module):
    """EfficientNet with its first map after the stem: (N, C, H, W) -> maps of strides 2, 4, 8, 16, 32.

    Args:
        name: ``smp-efficientnet-b0`` to ``b7`` (TensorFlow's padding), ``smp-timm-efficientnet-b0`` to ``b8``, or
            ``smp-timm-tf_efficientnet_lite0`` to ``lite4`` (both with symmetric padding).
        in_channels: channels of the images.
        output_stride: stride of the last map: 8, 16 or 32.
    """

    default_normalisation = (IMAGENET_MEAN, IMAGENET_STD)
    exact = True

    def __init__(self, name: str, *, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__()
        self.name = name
        version = name.removeprefix(SMP_PREFIX).removeprefix("timm-").removeprefix("tf_").replace("-", "_")
        original = not name.startswith(f"{SMP_PREFIX}timm-")
        self.shifted = original
        """Whether the library lays the maps elsewhere on pictures that are no multiples of the strides."""
        whole = TimmEncoder(f"tf_{version}" if original else version, in_channels=in_channels)
        self.body = whole.body
        blocks = [block for stage in self.body.blocks for block in stage]
        ends = [sum(len(stage) for stage in self.body.blocks[: i + 1]) - 1 for i in range(len(self.body.blocks))]
        self.taps = [ends[1], ends[2], ends[4], ends[6]]
        if original:
            number = int(version[-1])
            _pad_as_trained(blocks, TRAINED_SIDES[number])
            if number == 0:
                self.taps[2] = ends[3] + 1  # the library takes this map two blocks earlier
        middle, last = blocks[self.taps[1] + 1 : self.taps[2] + 1], blocks[self.taps[2] + 1 :]
        _dilate(middle, last, output_stride)
        self.channels: tuple[int, ...] = (self.body.conv_stem.out_channels, *whole.channels[1:])
        self.strides = _strides(output_stride)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        features = self.body.bn1(self.body.conv_stem(images))  # (N, C_stem, H/2, W/2)
        maps = [features]
        number = 0
        for stage in self.body.blocks:
            for block in stage:
                features = block(features)
                if number in self.taps:
                    maps.append(features)  # (N, C, H/stride, W/stride)
                number += 1
        return maps


class SmpMobileNetV2(nn.Module):
    """MobileNetV2 (Sandler et al. 2018) up to its classifier: maps of strides 2, 4, 8, 16, 32, the last 1280 channels.

    Args:
        name: the name that it was asked for by.
        in_channels: channels of the images.
        output_stride: stride of the last map: 8, 16 or 32.
    """

    default_normalisation = (IMAGENET_MEAN, IMAGENET_STD)
    exact = True
    taps = (1, 3, 6, 13, 18)

    def __init__(self, name: str, *, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__()
        self.name = name
        from torchvision.models import mobilenet_v2  # here, because torchvision takes longer to import than torch

        self.features = mobilenet_v2().features
        if in_channels != 3:
            self.features[0][0] = nn.Conv2d(in_channels, 32, 3, 2, 1, bias=False)
        _dilate(self.features[7:14], self.features[14:], output_stride)
        self.channels: tuple[int, ...] = (16, 24, 32, 96, 1280)
        self.strides = _strides(output_stride)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        maps = []
        features = images
        for number, part in enumerate(self.features):
            features = part(features)
            if number in self.taps:
                maps.append(features)  # (N, C, H/stride, W/stride)
        return maps


class SmpResNeXt(nn.Module):
    """timm's ResNeXt, dilated in the library's way: (N, C, H, W) -> maps of strides 2, 4, 8, ..., finest first.

    Args:
        name: ``smp-resnext50_32x4d`` and similar ones.
        in_channels: channels of the images.
        output_stride: stride of the last map: 8, 16 or 32.
    """

    default_normalisation = (IMAGENET_MEAN, IMAGENET_STD)
    exact = True

    def __init__(self, name: str, *, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__()
        self.name = name
        whole = TimmEncoder(name.removeprefix(SMP_PREFIX), in_channels=in_channels)
        self.body = whole.body
        _dilate([self.body.layer3], [self.body.layer4], output_stride)
        self.channels = whole.channels
        self.strides = _strides(output_stride)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        maps: list[Tensor] = self.body(images)
        return maps


def smp_encoder(
    name: str, *, in_channels: int = 3, output_stride: int = 32
) -> SmpEfficientNet | SmpMobileNetV2 | SmpResNeXt:
    """Build an encoder by the library's name for it, with :data:`SMP_PREFIX` before.

    Raises:
        ModelError: there is none of that name.
    """
    theirs = name.removeprefix(SMP_PREFIX)
    kind: type[SmpEfficientNet | SmpMobileNetV2 | SmpResNeXt]
    if re.fullmatch(r"efficientnet-b[0-7]|timm-efficientnet-b[0-8]|timm-tf_efficientnet_lite[0-4]", theirs):
        kind = SmpEfficientNet
    elif theirs == "mobilenet_v2":
        kind = SmpMobileNetV2
    elif re.fullmatch(r"resnext50_32x4d|resnext101_32x(4|8|16|32)d", theirs):
        kind = SmpResNeXt
    else:
        raise ModelError(f"no encoder here gives the maps of smp's '{theirs}'")
    return kind(name, in_channels=in_channels, output_stride=output_stride)


def block_places(version: int) -> list[tuple[int, int]]:
    """Number of a block of EfficientNet-B``version``, counted over all stages -> its stage and its place in it."""
    return [
        (stage, place)
        for stage, repeats in enumerate(BASE_BLOCKS_PER_STAGE)
        for place in range(math.ceil(DEPTH_FACTORS[version] * repeats))
    ]


def _strides(output_stride: int) -> tuple[int, ...]:
    return tuple(min(stride, output_stride) for stride in (2, 4, 8, 16, 32))


def _dilate(middle: Iterable[nn.Module], last: Iterable[nn.Module], output_stride: int) -> None:
    """Remove strides beyond the output stride from the parts of stride 16 and 32, and dilate all their convolutions."""
    for stride, parts in ((16, middle), (32, last)):
        if stride <= output_stride:
            continue
        rate = stride // output_stride
        for conv in (conv for part in parts for conv in part.modules() if isinstance(conv, nn.Conv2d)):
            conv.stride, conv.dilation = (1, 1), (rate, rate)
            conv.padding = (conv.kernel_size[0] // 2 * rate,) * 2
            if isinstance(conv, DepthwiseConv2d):
                conv.uneven_padding = None


def _pad_as_trained(blocks: Iterable[nn.Module], side: int) -> None:
    """Pad strided convolutions as TensorFlow does for pictures of one side, whatever the later input."""
    side = -(-side // 2)  # after the stem
    for block in blocks:
        for conv in block.modules():
            if isinstance(conv, DepthwiseConv2d) and conv.stride[0] == 2:
                halved = -(-side // 2)
                total = max(0, 2 * (halved - 1) + conv.kernel_size[0] - side)
                conv.padding, conv.uneven_padding = (0, 0), (total // 2, total - total // 2)
                side = halved
