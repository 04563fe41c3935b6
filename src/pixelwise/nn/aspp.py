"""Atrous spatial pyramid pooling: the same map seen through several dilations at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pixelwise.nn.blocks import conv_norm_relu, separable_conv_norm_relu


class ASPP(nn.Module):
    """1x1, one 3x3 for each atrous rate, and image pooling side by side, concatenated and projected.

    (N, Cin, H, W) -> (N, Cout, H, W), as in DeepLabv3; with ``separable`` the 3x3 branches are depthwise separable,
    as in DeepLabv3+. Image pooling averages the whole map, so every output sees the whole picture.

    Args:
        in_channels: channels of the encoder's last map.
        out_channels: channels of each branch and of the result.
        atrous_rates: dilation of each 3x3 branch; 6, 12, 18 at output stride 16.
        separable: whether the 3x3 branches are depthwise separable.
        dropout: probability of dropping a value of the result in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        *,
        atrous_rates: Sequence[int] = (6, 12, 18),
        separable: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        atrous = separable_conv_norm_relu if separable else conv_norm_relu
        self.branches = nn.ModuleList(
            [
                conv_norm_relu(in_channels, out_channels, 1),
                *(atrous(in_channels, out_channels, dilation=rate) for rate in atrous_rates),
            ]
        )
        self.image_pooling = conv_norm_relu(in_channels, out_channels, 1)
        self.project = nn.Sequential(
            conv_norm_relu((len(atrous_rates) + 2) * out_channels, out_channels, 1), nn.Dropout(dropout)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Pool a map (N, Cin, H, W) to (N, Cout, H, W)."""
        pooled = self.image_pooling(features.mean((2, 3), keepdim=True))  # (N, Cout, 1, 1)
        maps = [branch(features) for branch in self.branches]
        maps.append(pooled.expand(-1, -1, *features.shape[2:]))
        result: Tensor = self.project(torch.cat(maps, 1))  # (N, (rates + 2) * Cout, H, W) -> (N, Cout, H, W)
        return result
