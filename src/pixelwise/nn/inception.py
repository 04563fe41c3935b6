"""The Inception block (Szegedy, Liu, Jia and others 2015): several kernel sizes side by side on reduced channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pixelwise.nn.blocks import initialise


class Inception(nn.Module):
    """1x1, 3x3, 5x5 and 3x3 max pooling side by side, concatenated: (N, Cin, H, W) -> (N, Cout, H, W).

    1x1 convolutions reduce the channels before the larger kernels and after the pool; every convolution has a bias and
    a ReLU. Cout is the sum of the four branches.

    Geometry: stride 1; an output reads 5 pixels per side; sizes stay.
    Parameters: the block "3a" of GoogLeNet, ``Inception(192, 64, (96, 128), (16, 32), 32)``, has 163,696.
    Multiply-adds: one per weight and cell. For 3a on 28x28 cells these are 128.0 million; the same branches without the
    reductions and the projection would take 303.5 million.

    Args:
        in_channels: Cin.
        ones: channels of the 1x1 branch.
        threes: channels that the 3x3 branch is reduced to, and that it gives.
        fives: channels that the 5x5 branch is reduced to, and that it gives.
        pooled: channels that the pooled branch is projected to.
    """

    def __init__(
        self, in_channels: int, ones: int, threes: tuple[int, int], fives: tuple[int, int], pooled: int
    ) -> None:
        super().__init__()
        self.ones = _conv_relu(in_channels, ones, 1)
        self.threes = nn.Sequential(_conv_relu(in_channels, threes[0], 1), _conv_relu(*threes, 3))
        self.fives = nn.Sequential(_conv_relu(in_channels, fives[0], 1), _conv_relu(*fives, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _conv_relu(in_channels, pooled, 1))
        self.out_channels = ones + threes[1] + fives[1] + pooled
        initialise(self, mode="fan_in")

    def forward(self, features: Tensor) -> Tensor:
        """Pass a map (N, Cin, H, W) through the four branches."""
        branches = (self.ones, self.threes, self.fives, self.pooled)
        return torch.cat([branch(features) for branch in branches], 1)  # 4 of (N, Ci, H, W) -> (N, Cout, H, W)


def _conv_relu(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2), nn.ReLU(inplace=True)
    )
