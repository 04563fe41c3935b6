"""DeepLab v1 and v2 (Chen, Papandreou, Kokkinos, Murphy and Yuille 2015 and 2018), layer by layer as published.

Their cells lie on the pixels 0, 8, 16, ...: sizes 8k + 1 have k + 1 of them. Pools round sizes up, as Caffe does. The
papers sharpen the labels with a dense random field afterwards; see :func:`pixelwise.ops.crf.dense_crf`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders.resnet import ResNet
from pixelwise.encoders.vgg import VGG16
from pixelwise.errors import SettingError
from pixelwise.models.base import SegmentationModel
from pixelwise.models.options import Count, PaperOptions, Several
from pixelwise.nn.aspp import SummedASPP
from pixelwise.nn.blocks import initialise
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

COARSE_STRIDE = 8
"""Pixels from one cell to the next."""

HIDDEN_CHANNELS = 1024
"""Channels of fc6 and fc7."""

DeepLabV2Trunk = Literal["resnet101", "vgg16"]
"""The trunks of a DeepLabv2."""

LARGEST_SCALE = 4
"""The largest scale at which the network runs, relative to the picture; memory grows with its square."""


class FullyConnected(nn.Module):
    """The layers fc6, fc7 and fc8 of VGG16 as convolutions, fc6 dilated: (N, Cin, H, W) -> (N, K, H, W).

    fc6 is 3x3, fc7 and fc8 are 1x1; ReLU and dropout 0.5 follow the first two. An output reads ``2 * dilation + 1``
    cells along each axis.

    Args:
        in_channels: channels of the trunk.
        hidden: channels of fc6 and fc7.
        classes: K.
        dilation: atrous rate of fc6.
    """

    def __init__(self, in_channels: int, hidden: int, classes: int, *, dilation: int) -> None:
        super().__init__()
        self.fc6 = nn.Conv2d(in_channels, hidden, 3, padding=dilation, dilation=dilation)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.fc8 = nn.Conv2d(hidden, classes, 1)
        self.dropout = nn.Dropout(0.5)
        initialise(self, mode="fan_in")
        nn.init.normal_(self.fc8.weight, std=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Score a map (N, Cin, H, W) as (N, K, H, W)."""
        hidden = self.dropout(F.relu(self.fc6(features), inplace=True))
        hidden = self.dropout(F.relu(self.fc7(hidden), inplace=True))
        scores: Tensor = self.fc8(hidden)
        return scores


class DeepLabV1(nn.Module):
    """LargeFOV: VGG16 with 3x3 pools, of which the last two keep the size, dilation 2 in block 5 and 12 in fc6.

    (N, C, H, W) -> (N, K, ceil(H / 8), ceil(W / 8)) for sizes 8k + 1, one cell more for sizes 8k.
    Parameters: 20,505,429 at 21 classes.

    Args:
        classes: K.
        in_channels: channels of the images.
        width: factor on all channels; 1.0 is the paper's.
    """

    def __init__(self, classes: int, *, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        self.trunk = VGG16(in_channels=in_channels, width=width, atrous=True, ceil_pools=True)
        self.head = FullyConnected(self.trunk.channels[-1], _scaled(HIDDEN_CHANNELS, width), classes, dilation=12)

    def forward(self, images: Tensor) -> Tensor:
        """Score normalised images."""
        scores: Tensor = self.head(self.trunk(images)[-1])
        return scores


class DeepLabV2(nn.Module):
    """Atrous spatial pyramid pooling by summed branches, on ResNet-101 or VGG16.

    (N, C, H, W) -> (N, K, ceil(H / 8), ceil(W / 8)) for sizes 8k + 1, one cell more for sizes 8k.
    Parameters at 21 classes: 44,048,532 on ResNet-101, whose classifier is four 3x3 convolutions; 37,877,652 on VGG16,
    where each branch has its own fc6, fc7 and fc8 (ASPP-L).

    With several ``scales``, the network also runs on resized copies of the picture, and each cell takes the largest
    score of any scale. In training, the scores of each scale are returned beside the fused scores, because each has a
    loss of its own.

    Args:
        classes: K.
        trunk: ``"resnet101"`` (stride in the first 1x1, all blocks of a dilated stage dilated) or ``"vgg16"``.
        in_channels: channels of the images.
        atrous_rates: dilation of each branch.
        scales: sizes of the copies of the picture, relative to its own; the first is 1.
        width: factor on all channels; 1.0 is the paper's.
    """

    def __init__(
        self,
        classes: int,
        *,
        trunk: DeepLabV2Trunk = "resnet101",
        in_channels: int = 3,
        atrous_rates: Sequence[int] = (6, 12, 18, 24),
        scales: Sequence[float] = (1.0,),
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.trunk: VGG16 | ResNet
        self.head: nn.Module
        if trunk == "vgg16":
            self.trunk = VGG16(in_channels=in_channels, width=width, atrous=True, ceil_pools=True)
            hidden = _scaled(HIDDEN_CHANNELS, width)
            self.head = _Sum(
                FullyConnected(self.trunk.channels[-1], hidden, classes, dilation=rate) for rate in atrous_rates
            )
        else:
            self.trunk = ResNet(
                101,
                in_channels=in_channels,
                output_stride=COARSE_STRIDE,
                stride_in="1x1",
                dilation_from="stage",
                ceil_pool=True,
                width=width,
            )
            self.head = SummedASPP(self.trunk.channels[-1], classes, atrous_rates=atrous_rates)
        self.scales = tuple(scales)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Score normalised images; in training with several scales, the fused scores and those of each scale."""
        scores = [self._score(images, scale) for scale in self.scales]
        if len(scores) == 1:
            return scores[0]
        fused = scores[0]
        for smaller in scores[1:]:
            resized = F.interpolate(smaller, fused.shape[2:], mode="bilinear", align_corners=False)
            fused = torch.maximum(fused, resized)
        return (fused, *scores) if self.training else fused

    def _score(self, images: Tensor, scale: float) -> Tensor:
        if scale != 1:
            size = [max(1, round(side * scale)) for side in images.shape[2:]]
            images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        scores: Tensor = self.head(self.trunk(images)[-1])
        return scores


class _Sum(nn.ModuleList):
    """The sum of the outputs of several modules."""

    def forward(self, features: Tensor) -> Tensor:
        first, *others = self
        total: Tensor = first(features)
        for branch in others:
            total = total + branch(features)
        return total


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def deeplabv1(label_space: LabelSpace, preprocessing: Preprocessing, options: PaperOptions) -> SegmentationModel:
    """Build a DeepLab-LargeFOV; see :class:`DeepLabV1`."""
    network = DeepLabV1(len(label_space), in_channels=preprocessing.channels, width=options.width)
    return SegmentationModel(
        network, label_space=label_space, preprocessing=preprocessing, stride=COARSE_STRIDE, first=0
    )


@dataclass(frozen=True, kw_only=True)
class DeepLabV2Options(PaperOptions):
    """Options of :func:`deeplabv2`, beside those of :class:`PaperOptions`.

    Args:
        trunk: the network that gives the features.
        atrous_rates: dilation of each branch; 6, 12, 18, 24 is the paper's ASPP-L, 2, 4, 8, 12 its ASPP-S.
        scales: sizes of the copies of the picture, relative to its own; the first is 1, and none is above 4. The
            paper's are 1, 0.75, 0.5.
    """

    trunk: DeepLabV2Trunk = "resnet101"
    atrous_rates: Annotated[Several[Count], Field(min_length=1)] = (6, 12, 18, 24)
    scales: Several[float] = (1.0,)

    def __post_init__(self) -> None:
        if not self.scales or self.scales[0] != 1 or min(self.scales) <= 0 or max(self.scales) > LARGEST_SCALE:
            raise SettingError(
                f"scales are {self.scales}; they begin with 1, and all lie above 0 and up to {LARGEST_SCALE}, such as "
                "1, 0.75, 0.5"
            )


def deeplabv2(label_space: LabelSpace, preprocessing: Preprocessing, options: DeepLabV2Options) -> SegmentationModel:
    """Build a DeepLabv2; see :class:`DeepLabV2`.

    Args:
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.
    """
    network = DeepLabV2(
        len(label_space),
        trunk=options.trunk,
        in_channels=preprocessing.channels,
        atrous_rates=options.atrous_rates,
        scales=options.scales,
        width=options.width,
    )
    return SegmentationModel(
        network, label_space=label_space, preprocessing=preprocessing, stride=COARSE_STRIDE, first=0
    )
