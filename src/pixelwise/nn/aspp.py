"""Atrous spatial pyramid pooling: the same map seen through several dilations at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pixelwise.nn.blocks import BatchNorm2d, DepthwiseConv2d, conv_norm_relu, separable_conv_norm_relu
from pixelwise.nn.image_mean import ImageMean


class ASPP(nn.Module):
    """1x1, one 3x3 for each atrous rate, and image pooling side by side, concatenated and projected.

    (N, Cin, H, W) -> (N, Cout, H, W), as in DeepLabv3; with ``separable`` the 3x3 branches are depthwise separable,
    as in DeepLabv3+. Image pooling averages the whole map, so every output sees the whole picture; the branches alone
    read ``2 * max(atrous_rates) + 1`` cells a side.

    Parameters: (2 + 9 * rates) * Cin * Cout + (2 + rates) * Cout**2 weights, and 2 * Cout for each of the 3 + rates
    norms. Multiply-adds: as many per cell as there are weights, less Cin * Cout for image pooling, which are needed
    once.

    Args:
        in_channels: channels of the encoder's last map.
        out_channels: channels of each branch and of the result.
        atrous_rates: dilation of each 3x3 branch; 6, 12, 18 at output stride 16, twice that at 8.
        separable: whether the 3x3 branches are depthwise separable.
        inner_norm: whether batch norm and ReLU also come between their depthwise and pointwise parts.
        dropout: probability of dropping a value of the result in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        *,
        atrous_rates: Sequence[int] = (6, 12, 18),
        separable: bool = False,
        inner_norm: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        atrous = atrous_conv(separable=separable, inner_norm=inner_norm)
        self.branches = nn.ModuleList(
            [
                conv_norm_relu(in_channels, out_channels, 1),
                *(atrous(in_channels, out_channels, dilation=rate) for rate in atrous_rates),
            ]
        )
        self.image_mean = ImageMean()
        self.image_pooling = conv_norm_relu(in_channels, out_channels, 1)
        self.project = nn.Sequential(
            conv_norm_relu((len(atrous_rates) + 2) * out_channels, out_channels, 1), nn.Dropout(dropout)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Pool a map (N, Cin, H, W) to (N, Cout, H, W)."""
        pooled = self.image_pooling(self.image_mean(features))  # (N, Cout, 1, 1)
        maps = [branch(features) for branch in self.branches]
        maps.append(pooled.expand(-1, -1, *features.shape[2:]))
        result: Tensor = self.project(torch.cat(maps, 1))  # (N, (rates + 2) * Cout, H, W) -> (N, Cout, H, W)
        return result


class SummedASPP(nn.Module):
    """One 3x3 convolution for each atrous rate, summed: the classifier of DeepLabv2 on ResNet-101.

    (N, Cin, H, W) -> (N, K, H, W). There is no normalisation and nothing after the sum. An output reads
    ``2 * max(atrous_rates) + 1`` cells a side. Parameters: rates * (9 * Cin * K + K).

    Args:
        in_channels: channels of the encoder's last map.
        classes: K.
        atrous_rates: dilation of each branch.
    """

    def __init__(self, in_channels: int, classes: int, *, atrous_rates: Sequence[int] = (6, 12, 18, 24)) -> None:
        super().__init__()
        for i, rate in enumerate(atrous_rates):
            branch = nn.Conv2d(in_channels, classes, 3, padding=rate, dilation=rate)
            nn.init.normal_(branch.weight, std=0.01)
            nn.init.zeros_(branch.bias)  # type: ignore[arg-type]
            self.add_module(f"c{i}", branch)

    def forward(self, features: Tensor) -> Tensor:
        """Score a map (N, Cin, H, W) as (N, K, H, W)."""
        first, *others = self.children()
        total: Tensor = first(features)
        for branch in others:
            total = total + branch(features)
        return total


def atrous_conv(*, separable: bool, inner_norm: bool = False) -> Callable[..., nn.Sequential]:
    """Choose the 3x3 block of a DeepLab: called with input channels, output channels and ``dilation=``.

    Args:
        separable: whether the convolution is depthwise separable.
        inner_norm: whether batch norm and ReLU also come between its two parts.
    """
    if not separable:
        return conv_norm_relu
    return normed_separable_conv if inner_norm else separable_conv_norm_relu


def normed_separable_conv(in_channels: int, out_channels: int, *, dilation: int = 1) -> nn.Sequential:
    """Depthwise 3x3 and pointwise 1x1, each with batch norm and ReLU: (N, Cin, H, W) -> (N, Cout, H, W).

    The atrous separable convolution of DeepLabv3+ as its authors run it. 9*Cin + Cin*Cout weights and 2*Cin + 2*Cout of
    the norms; 9*Cin + Cin*Cout multiply-adds per cell; an output reads ``2 * dilation + 1`` cells a side.
    """
    return nn.Sequential(
        DepthwiseConv2d(in_channels, 3, padding=dilation, dilation=dilation, bias=False),
        BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
