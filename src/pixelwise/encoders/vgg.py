"""The VGG16 trunk (Simonyan and Zisserman 2015) in the forms that FCN, SegNet's relatives and DeepLab v1 and v2 use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.nn.blocks import initialise
from pixelwise.nn.convert import linear_to_conv_weight
from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD

VGG_CHANNELS = (64, 128, 256, 512, 512)
"""Channels of the five blocks."""

VGG_CONVOLUTIONS = (2, 2, 3, 3, 3)
"""The number of 3x3 convolutions in each block."""

TORCHVISION_FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""The positions of the 13 convolutions in torchvision's ``vgg16().features``."""


class VGG16(nn.Module):
    """Thirteen 3x3 convolutions with ReLU in five blocks, each closed by a max pool; no fully connected layers.

    ``forward`` takes normalised images (N, C, H, W) and returns five maps, or six with ``taps="blocks"``, finest
    first. The convolutions are called ``conv1_1`` to ``conv5_3``, as in the Caffe models.

    Geometry: strides 2, 4, 8, 16, 32 after the pools. One value after pool5 reads 212 pixels; after conv5_3, 196. The
    atrous form has strides 2, 4, 8, 8, 8.
    Parameters: 14,714,688 at three input channels and width 1.

    Args:
        in_channels: channels of the images.
        width: factor on all channels, for tests and small machines; 1.0 is the paper's.
        first_padding: zeros around the image at conv1_1. FCN pads 100, so that fc6 fits any picture.
        ceil_pools: whether pools round sizes up, as Caffe does, so that the last window may reach over the border.
        atrous: DeepLab's form: all pools 3x3 with padding 1 and strides 2, 2, 2, 1, 1, and dilation 2 in block 5.
        taps: which maps to return: ``"pools"`` the result of every pool; ``"blocks"`` the result of every block
            before its pool, at strides 1, 2, 4, 8 and 16 (atrous: 1, 2, 4, 8, 8), and that of the last pool, as a
            decoder wants them.
    """

    name = "vgg16"
    default_normalisation = (IMAGENET_MEAN, IMAGENET_STD)

    def __init__(
        self,
        *,
        in_channels: int = 3,
        width: float = 1.0,
        first_padding: int = 1,
        ceil_pools: bool = False,
        atrous: bool = False,
        taps: Literal["pools", "blocks"] = "pools",
    ) -> None:
        super().__init__()
        self.ceil_pools, self.atrous, self.taps = ceil_pools, atrous, taps
        blocks = tuple(max(1, round(channels * width)) for channels in VGG_CHANNELS)
        before = in_channels
        for block, (channels, count) in enumerate(zip(blocks, VGG_CONVOLUTIONS, strict=True), start=1):
            dilation = 2 if atrous and block == 5 else 1
            for index in range(1, count + 1):
                padding = first_padding if (block, index) == (1, 1) else dilation
                self.add_module(
                    f"conv{block}_{index}", nn.Conv2d(before, channels, 3, padding=padding, dilation=dilation)
                )
                before = channels
        pooled = (2, 4, 8, 8, 8) if atrous else (2, 4, 8, 16, 32)
        self.channels: tuple[int, ...] = blocks if taps == "pools" else (*blocks, blocks[-1])
        self.strides: tuple[int, ...] = pooled if taps == "pools" else (1, *pooled)
        # Sizes are those of the picture over the stride once it is padded to the period, unless the border is widened
        # or a 3x3 pool that rounds up adds a cell.
        self.exact = first_padding == 1 and not (atrous and ceil_pools)
        initialise(self, mode="fan_in")

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        features, maps = images, []
        for block, count in enumerate(VGG_CONVOLUTIONS, start=1):
            for index in range(1, count + 1):
                features = F.relu(self.get_submodule(f"conv{block}_{index}")(features), inplace=True)
            if self.taps == "blocks":
                maps.append(features)
            features = self.pool(features, block)
            if self.taps == "pools" or block == 5:
                maps.append(features)
        return maps

    @property
    def geometries(self) -> list[Geometry]:
        """The geometry of the outputs of each map, finest first."""
        geometry, found = Geometry.identity(), []
        for block, count in enumerate(VGG_CONVOLUTIONS, start=1):
            for index in range(1, count + 1):
                conv = self.get_submodule(f"conv{block}_{index}")
                assert isinstance(conv, nn.Conv2d)
                geometry = geometry.conv(3, padding=int(conv.padding[0]), dilation=conv.dilation[0])
            if self.taps == "blocks":
                found.append(geometry)
            if self.atrous:
                geometry = geometry.pool(3, stride=2 if block <= 3 else 1, padding=1, ceil=self.ceil_pools)
            else:
                geometry = geometry.pool(2, ceil=self.ceil_pools)
            if self.taps == "pools" or block == 5:
                found.append(geometry)
        return found

    def pool(self, features: Tensor, block: int) -> Tensor:
        """Close a block, counted from 1: (N, C, h, w) -> (N, C, h / 2, w / 2), or the same size."""
        if self.atrous:
            return F.max_pool2d(features, 3, stride=2 if block <= 3 else 1, padding=1, ceil_mode=self.ceil_pools)
        return F.max_pool2d(features, 2, stride=2, ceil_mode=self.ceil_pools)


def vgg16_from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a torchvision ``vgg16``: conv1_1 to conv5_3, and fc6 and fc7 as convolutions.

    The two fully connected layers become 7x7 and 1x1 convolutions; the last one, which tells the 1,000 classes of
    ImageNet apart, is left out. The weights expect RGB pictures with ImageNet's mean and standard deviation.

    Args:
        state: the state dict of a ``torchvision.models.vgg16``.

    Raises:
        ModelError: a tensor is missing.
    """
    names = [f"conv{block}_{i}" for block, count in enumerate(VGG_CONVOLUTIONS, start=1) for i in range(1, count + 1)]
    places = dict(zip((f"features.{place}" for place in TORCHVISION_FEATURES), names, strict=True))
    places |= {"classifier.0": "fc6", "classifier.3": "fc7"}
    renamed = {}
    for place, name in places.items():
        for leaf in ("weight", "bias"):
            if f"{place}.{leaf}" not in state:
                raise ModelError(
                    f"the weights lack {place}.{leaf}; expected those of torchvision's vgg16 without batch norm"
                )
            renamed[f"{name}.{leaf}"] = state[f"{place}.{leaf}"]
    renamed["fc6.weight"] = linear_to_conv_weight(renamed["fc6.weight"], (7, 7))
    renamed["fc7.weight"] = linear_to_conv_weight(renamed["fc7.weight"], (1, 1))
    return renamed
