"""The AlexNet trunk (Krizhevsky, Sutskever and Hinton 2012), as Caffe has it for FCN and as torchvision has it."""

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

ALEXNET_CHANNELS = {"caffe": (96, 256, 384, 384, 256), "torchvision": (64, 192, 384, 256, 256)}
"""Channels of the five convolutions."""

ALEXNET_GROUPS = {"caffe": (1, 2, 1, 2, 2), "torchvision": (1, 1, 1, 1, 1)}
"""The groups of the convolutions, from splitting them over two GPUs."""


class AlexNet(nn.Module):
    """Five convolutions, 11x11 of stride 4 first, and three 3x3 max pools of stride 2; no fully connected layers.

    ``forward`` takes normalised images (N, C, H, W) and returns four maps, finest first: after conv1, conv2, conv5 and
    the last pool. The convolutions are called ``conv1`` to ``conv5``.

    Geometry: strides 4, 8, 16 and 32; one value after the last pool reads 195 pixels. With the default paddings, sizes
    are exactly those of the picture over the stride; the networks of the papers have other paddings, which lose cells.
    Parameters: 2,469,696 in torchvision's form and 2,334,080 in Caffe's, at three input channels and width 1.

    Args:
        in_channels: channels of the images.
        width: factor on all channels, for tests and small machines; 1.0 is the paper's.
        form: ``"torchvision"`` has no groups and no normalisation (Krizhevsky 2014); ``"caffe"`` splits conv2, conv4
            and conv5 into two groups and normalises over 5 neighbouring channels after the first two pools.
        first_padding: zeros around the image at conv1; torchvision has 2, FCN 100.
        pool_padding: around the maps at the pools; the papers' networks have 0.
        ceil_pools: whether pools round sizes up, as Caffe does.
    """

    name = "alexnet"
    default_normalisation = (IMAGENET_MEAN, IMAGENET_STD)

    def __init__(
        self,
        *,
        in_channels: int = 3,
        width: float = 1.0,
        form: Literal["caffe", "torchvision"] = "torchvision",
        first_padding: int = 4,
        pool_padding: int = 1,
        ceil_pools: bool = False,
    ) -> None:
        super().__init__()
        self.form, self.pool_padding, self.ceil_pools = form, pool_padding, ceil_pools
        # Even numbers, so that two groups share them.
        one, two, three, four, five = (max(2, 2 * round(channels * width / 2)) for channels in ALEXNET_CHANNELS[form])
        groups = ALEXNET_GROUPS[form]
        self.conv1 = nn.Conv2d(in_channels, one, 11, stride=4, padding=first_padding)
        self.conv2 = nn.Conv2d(one, two, 5, padding=2, groups=groups[1])
        self.conv3 = nn.Conv2d(two, three, 3, padding=1)
        self.conv4 = nn.Conv2d(three, four, 3, padding=1, groups=groups[3])
        self.conv5 = nn.Conv2d(four, five, 3, padding=1, groups=groups[4])
        self.channels: tuple[int, ...] = (one, two, five, five)
        self.strides: tuple[int, ...] = (4, 8, 16, 32)
        self.exact = first_padding == 4 and pool_padding == 1 and not ceil_pools
        initialise(self, mode="fan_in")

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        first = F.relu(self.conv1(images), inplace=True)  # (N, 64, H/4, W/4)
        second = F.relu(self.conv2(self._normalise(self._pool(first))), inplace=True)  # (N, 192, H/8, W/8)
        third = F.relu(self.conv3(self._normalise(self._pool(second))), inplace=True)  # (N, 384, H/16, W/16)
        fourth = F.relu(self.conv4(third), inplace=True)
        fifth = F.relu(self.conv5(fourth), inplace=True)
        return [first, second, fifth, self._pool(fifth)]

    def _pool(self, features: Tensor) -> Tensor:
        return F.max_pool2d(features, 3, stride=2, padding=self.pool_padding, ceil_mode=self.ceil_pools)

    def _normalise(self, features: Tensor) -> Tensor:
        return F.local_response_norm(features, 5, alpha=1e-4, beta=0.75) if self.form == "caffe" else features

    @property
    def geometries(self) -> list[Geometry]:
        """The geometry of the outputs of each map, finest first."""

        def pool(geometry: Geometry) -> Geometry:
            return geometry.pool(3, stride=2, padding=self.pool_padding, ceil=self.ceil_pools)

        first = Geometry.identity().conv(11, stride=4, padding=int(self.conv1.padding[0]))
        second = pool(first).conv(5, padding=2)
        fifth = pool(second).conv(3, padding=1).conv(3, padding=1).conv(3, padding=1)
        return [first, second, fifth, pool(fifth)]


def alexnet_encoder(*, in_channels: int = 3, output_stride: int = 32) -> AlexNet:
    """Build AlexNet as an encoder for any decoder, in torchvision's form with exact sizes; its stride stays 32."""
    return AlexNet(in_channels=in_channels)


def alexnet_from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a torchvision ``alexnet``: conv1 to conv5, and fc6 and fc7 as convolutions.

    They fit the form ``"torchvision"``; the last layer, which tells the 1,000 classes of ImageNet apart, is left out.

    Raises:
        ModelError: a tensor is missing.
    """
    places = {f"features.{place}": f"conv{i}" for i, place in enumerate((0, 3, 6, 8, 10), start=1)}
    places |= {"classifier.1": "fc6", "classifier.4": "fc7"}
    renamed = {}
    for place, name in places.items():
        for leaf in ("weight", "bias"):
            if f"{place}.{leaf}" not in state:
                raise ModelError(f"the weights lack {place}.{leaf}; expected those of torchvision's alexnet")
            renamed[f"{name}.{leaf}"] = state[f"{place}.{leaf}"]
    renamed["fc6.weight"] = linear_to_conv_weight(renamed["fc6.weight"], (6, 6))
    renamed["fc7.weight"] = linear_to_conv_weight(renamed["fc7.weight"], (1, 1))
    return renamed
