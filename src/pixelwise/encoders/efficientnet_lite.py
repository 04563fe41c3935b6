"""EfficientNet-Lite (Tan and Le 2019; Liu 2020): EfficientNet without squeeze-and-excitation, with ReLU6."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pixelwise.errors import ModelError, SettingError
from pixelwise.nn.blocks import BatchNorm2d, DepthwiseConv2d, SameConv2d

LITE_FACTORS = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8))
"""Version -> factor on the channels and on the number of blocks of each stage."""

STEM_CHANNELS = 32
"""Channels after the first convolution, in every version."""

TENSORFLOW_EPSILON = 1e-3
"""What the published weights' batch norms add to the variance."""


class Stage(NamedTuple):
    """The blocks between two places where channels change, in version 0."""

    blocks: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


LITE_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class DepthwiseSeparable(nn.Module):
    """A depthwise convolution and a 1x1: (N, C, H, W) -> (N, channels, H, W)."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv_dw = _depthwise(in_channels, kernel_size, stride=1, dilation=1)
        self.bn1 = _norm(in_channels)
        self.act = nn.ReLU6(inplace=True)
        self.conv_pw = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn2 = _norm(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve each channel, then mix them."""
        result: Tensor = self.bn2(self.conv_pw(self.act(self.bn1(self.conv_dw(features)))))
        return result


class InvertedResidual(nn.Module):
    """1x1 to more channels, depthwise, 1x1 to few: (N, C, H, W) -> (N, channels, H / stride, W / stride).

    The input is added where its shape fits.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel_size: int, *, expansion: int, stride: int, dilation: int
    ) -> None:
        super().__init__()
        inside = in_channels * expansion
        self.conv_pw = nn.Conv2d(in_channels, inside, 1, bias=False)
        self.bn1 = _norm(inside)
        self.act1 = nn.ReLU6(inplace=True)
        self.conv_dw = _depthwise(inside, kernel_size, stride=stride, dilation=dilation)
        self.bn2 = _norm(inside)
        self.act2 = nn.ReLU6(inplace=True)
        self.conv_pwl = nn.Conv2d(inside, channels, 1, bias=False)
        self.bn3 = _norm(channels)
        self.has_skip = stride == 1 and in_channels == channels

    def forward(self, features: Tensor) -> Tensor:
        """Add what the convolutions find to the input."""
        inside = self.act1(self.bn1(self.conv_pw(features)))
        inside = self.act2(self.bn2(self.conv_dw(inside)))
        found: Tensor = self.bn3(self.conv_pwl(inside))
        return found + features if self.has_skip else found


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite up to its classifier; paddings and names of tensors are those of timm's ``tf_`` form.

    ``forward`` takes normalised images (N, C, H, W) and returns five maps of strides 2, 4, 8, 16, 32, finest first. The
    first is that after the first stage of blocks.

    Args:
        version: 0 to 4, which have more and wider blocks.
        in_channels: channels of the images.
        output_stride: stride of the last map, 8, 16 or 32. Stages that would go beyond are dilated instead, their first
            blocks by the dilation of the stage before.

    Raises:
        ModelError: no such version.
        SettingError: no such output stride.
    """

    def __init__(self, version: int, *, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__()
        if not 0 <= version < len(LITE_FACTORS):
            raise ModelError(f"there is no EfficientNet-Lite{version}; known: 0 to {len(LITE_FACTORS) - 1}")
        if output_stride not in (8, 16, 32):
            raise SettingError(f"output_stride is {output_stride}; EfficientNet-Lite has 8, 16 or 32")
        wider, deeper = LITE_FACTORS[version]
        self.conv_stem = SameConv2d(in_channels, STEM_CHANNELS, 3, 2, bias=False, uneven_padding=(0, 1))
        self.bn1 = _norm(STEM_CHANNELS)
        self.act1 = nn.ReLU6(inplace=True)
        self.blocks = nn.Sequential()

        before, stride, dilation = STEM_CHANNELS, 2, 1
        ends: list[tuple[int, int]] = []
        """Channels and stride after each stage."""
        for number, stage in enumerate(LITE_STAGES):
            channels = _round_channels(stage.channels * wider)
            fixed = number in (0, len(LITE_STAGES) - 1)
            count = stage.blocks if fixed else math.ceil(stage.blocks * deeper)
            step, first = stage.stride, dilation
            if stride * step > output_stride:
                dilation *= step
                step = 1
            stride *= step
            blocks: list[nn.Module] = []
            for place in range(count):
                if stage.expansion == 1:
                    blocks.append(DepthwiseSeparable(before, channels, stage.kernel_size))
                else:
                    blocks.append(
                        InvertedResidual(
                            before,
                            channels,
                            stage.kernel_size,
                            expansion=stage.expansion,
                            stride=step if place == 0 else 1,
                            dilation=first if place == 0 else dilation,
                        )
                    )
                before = channels
            self.blocks.append(nn.Sequential(*blocks))
            ends.append((channels, stride))
        self.taps = tuple(
            number
            for number, stage in enumerate(LITE_STAGES)
            if number + 1 == len(LITE_STAGES) or LITE_STAGES[number + 1].stride > 1
        )
        """The stages before each halving of the map, and the last."""
        self.channels = tuple(ends[number][0] for number in self.taps)
        self.strides = tuple(ends[number][1] for number in self.taps)
        _initialise(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        features = self.act1(self.bn1(self.conv_stem(images)))  # (N, 32, H/2, W/2)
        maps = []
        for number, stage in enumerate(self.blocks):
            features = stage(features)  # (N, C_stage, H/stride, W/stride)
            if number in self.taps:
                maps.append(features)
        return maps


def _norm(channels: int) -> BatchNorm2d:
    return BatchNorm2d(channels, eps=TENSORFLOW_EPSILON)


def _depthwise(channels: int, kernel_size: int, *, stride: int, dilation: int) -> DepthwiseConv2d:
    """A depthwise convolution with TensorFlow's padding, which is uneven where it has a stride."""
    total = (kernel_size - 1) * dilation + 1 - stride
    padding = total // 2 if stride == 1 else (total // 2, total - total // 2)
    return DepthwiseConv2d(channels, kernel_size, stride=stride, padding=padding, dilation=dilation, bias=False)


def _round_channels(channels: float) -> int:
    """Round to a multiple of 8, but never down by more than a tenth, as the published networks do."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


@torch.no_grad()
def _initialise(network: nn.Module) -> None:
    """Draw weights as TensorFlow's own code does: normal, with the variance 2 over the outputs that an input has."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            outputs = part.kernel_size[0] * part.kernel_size[1] * part.out_channels // part.groups
            nn.init.normal_(part.weight, 0.0, math.sqrt(2 / outputs))
