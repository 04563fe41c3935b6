"""A 3x3 convolution with fewer multiplications, for networks that only predict, in float32 on a CPU."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.ops.native import native_for, native_module, threads

OUTPUTS_PER_SIDE, POINTS_PER_TILE = 4, 36
"""The outputs per side of a tile, and the number of points that a tile is transformed into."""

CHANNEL_BLOCK = 16
"""The numbers of channels must be multiples of this."""

LEAST_WINOGRAD_CHANNELS = 64
"""The least channels for which the products cost more than transforming maps into points and back."""

TILES_AT_A_TIME = 128
"""The tiles that are processed at a time, so that their points stay in the cache; maps with fewer tiles are convolved
in the plain way."""


class WinogradConv2d(nn.Module):
    """A 3x3 convolution with padding 1 by Winograd's algorithm F(4x4, 3x3), with a quarter of the products.

    Lavin and Gray 2016. Rounding is about five times that of a plain convolution: 1e-5 of the largest value. Maps of
    few cells, of another type than float32 and on other devices are convolved in the plain way.

    (N, C, H, W) -> (N, O, H, W), channels last.

    Args:
        conv: a convolution that :func:`suits`.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach()
        bias = torch.zeros(len(weight)) if conv.bias is None else conv.bias.detach()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.points = nn.Parameter(kernel_points(weight), requires_grad=False)  # (36, C, O)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve a map."""
        count, channels, height, width = input.shape
        tiles = count * -(-height // OUTPUTS_PER_SIDE) * -(-width // OUTPUTS_PER_SIDE)
        native = native_for(input)
        if native is None or input.dtype != torch.float32 or tiles < TILES_AT_A_TIME:
            return F.conv2d(input, self.weight, self.bias, padding=1)
        laid = input.permute(0, 2, 3, 1).contiguous()  # (N, H, W, C)
        result = torch.empty((count, height, width, len(self.weight)))  # (N, H, W, O)
        # The last share may be smaller, and takes the beginning of the same memory.
        read, made = (
            torch.empty(POINTS_PER_TILE * TILES_AT_A_TIME * channels),
            torch.empty(POINTS_PER_TILE * TILES_AT_A_TIME * len(self.weight)),
        )
        for first in range(0, tiles, TILES_AT_A_TIME):
            share = (POINTS_PER_TILE, min(TILES_AT_A_TIME, tiles - first), -1)
            points = read[: POINTS_PER_TILE * share[1] * channels].view(share)  # (36, T, C)
            products = made[: POINTS_PER_TILE * share[1] * len(self.weight)].view(share)  # (36, T, O)
            native.winograd_input(laid, first, points, threads())
            torch.bmm(points, self.points, out=products)
            native.winograd_output(products, self.bias, first, result, threads())
        return result.permute(0, 3, 1, 2)


def suits(conv: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a convolution that the algorithm can compute, and computes faster."""
    return (
        type(conv) is nn.Conv2d
        and conv.kernel_size == (3, 3)
        and conv.stride == conv.dilation == conv.padding == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and all(
            channels >= LEAST_WINOGRAD_CHANNELS and not channels % CHANNEL_BLOCK
            for channels in (conv.in_channels, conv.out_channels)
        )
    )


def kernel_points(weight: Tensor) -> Tensor:
    """Turn kernels (O, C, 3, 3) into points (36, C, O), of the type of the weights."""
    rows = torch.tensor(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        dtype=torch.float64,
    )  # (6, 3)
    points = torch.einsum("xr,oirc,yc->xyio", rows, weight.double(), rows)  # (6, 6, C, O)
    return points.flatten(0, 1).to(weight.dtype).contiguous()


def use_winograd(network: nn.Module) -> None:
    """Replace every convolution of a network that the algorithm computes faster; the network is changed in place.

    Args:
        network: a float32 network on a CPU; it can then no longer be trained or saved.
    """
    if native_module() is None:
        return
    for part in list(network.modules()):
        for name, child in list(part.named_children()):
            if suits(child):
                setattr(part, name, WinogradConv2d(child))
