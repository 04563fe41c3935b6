"""MobileNetV3-Large in the dilated form that torchvision's segmentation networks use, on timm's layers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from pixelwise.encoders.timm_encoder import TimmEncoder
from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD

MOBILENET_BLOCKS = (1, 2, 3, 4, 2, 3)
"""Inverted residual blocks in each stage of timm's network; a seventh stage is the last 1x1 convolution."""

TAPPED_BLOCKS = ((0, 0), (1, 1), (2, 0), (4, 1), (6, 0))
"""Stage and block after which each map is taken."""

SQUEEZED_STAGES = (2, 4, 5)
"""Stages whose blocks have squeeze-and-excitation."""

MOBILENET_EPSILON, MOBILENET_MOMENTUM = 1e-3, 0.01
"""The arguments of this network's batch norms in torchvision."""


class DilatedMobileNetV3(nn.Module):
    """timm's ``mobilenetv3_large_100`` at output stride 16 as torchvision runs it in its segmentation networks.

    ``forward`` takes normalised images (N, C, H, W) and returns maps at strides 2, 4, 8, 16, 16 with 16, 24, 40, 112,
    960 channels, finest first. It differs from timm's own form in three things: all three blocks of the last stage are
    dilated by 2, the first included; batch norms add 1e-3 to the variance; and the map of stride 8, which an auxiliary
    classifier reads, is that of the first block of its stage.

    Args:
        in_channels: channels of the images.
    """

    name = "mobilenetv3_large_100"
    default_normalisation = (IMAGENET_MEAN, IMAGENET_STD)
    channels: tuple[int, ...] = (16, 24, 40, 112, 960)
    strides: tuple[int, ...] = (2, 4, 8, 16, 16)
    exact = True

    def __init__(self, *, in_channels: int = 3) -> None:
        super().__init__()
        self.body = TimmEncoder(self.name, in_channels=in_channels, output_stride=16).body
        for part in self.body.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps, part.momentum = MOBILENET_EPSILON, MOBILENET_MOMENTUM
        first = self.body.blocks[5][0].conv_dw
        first.dilation, first.padding = (2, 2), (4, 4)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        features = self.body.act1(self.body.bn1(self.body.conv_stem(images)))  # (N, 16, H/2, W/2)
        maps = []
        for stage, blocks in enumerate(self.body.blocks):
            for index, block in enumerate(blocks):
                features = block(features)
                if (stage, index) in TAPPED_BLOCKS:
                    maps.append(features)
        return maps


def mobilenetv3_from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of the ``features`` of torchvision's ``mobilenet_v3_large`` to timm's names.

    torchvision numbers blocks through, and counts the parts of a block from its first one: the expanding 1x1
    convolution where there is one, the depthwise convolution, squeeze-and-excitation where there is one, the projecting
    1x1.

    Args:
        state: tensors named ``0.0.weight``, ``1.block.0.0.weight``, ... as in ``features``; others are left out.
    """
    parts = _block_parts()
    renamed = {}
    for key, value in state.items():
        matched = re.fullmatch(r"(\d+)\.(?:block\.(\d+)\.)?(.+)", key)
        if matched is None:
            continue
        number, part, leaf = int(matched[1]), matched[2], matched[3]
        if part is None:
            conv, norm = ("conv_stem", "bn1") if number == 0 else ("blocks.6.0.conv", "blocks.6.0.bn1")
            layer, _, rest = leaf.partition(".")
            renamed[f"{(conv, norm)[int(layer)]}.{rest}"] = value
            continue
        prefix, names = parts[number]
        name = names[int(part)]
        if name == "se":
            leaf = leaf.replace("fc1", "conv_reduce").replace("fc2", "conv_expand")
            renamed[f"{prefix}.se.{leaf}"] = value
        else:
            layer, _, rest = leaf.partition(".")
            norm = f"bn{1 + [n for n in names if n != 'se'].index(name)}"
            renamed[f"{prefix}.{(name, norm)[int(layer)]}.{rest}"] = value
    return renamed


def _block_parts() -> dict[int, tuple[str, list[str]]]:
    """Number of a block in torchvision -> its prefix in timm, and timm's names of its parts in order."""
    places = [(stage, index) for stage, count in enumerate(MOBILENET_BLOCKS) for index in range(count)]
    parts = {}
    for number, place in enumerate(places, start=1):
        expanding = [] if place == (0, 0) else ["conv_pw"]
        attention = ["se"] if place[0] in SQUEEZED_STAGES else []
        last = "conv_pw" if place == (0, 0) else "conv_pwl"
        parts[number] = (f"blocks.{place[0]}.{place[1]}", [*expanding, "conv_dw", *attention, last])
    return parts
