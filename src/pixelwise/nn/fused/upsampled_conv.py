"""A convolution of a doubled map that never builds the doubled map, for networks that only predict."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONVOLVED_ROWS = 32
"""Rows of cells that are convolved at a time, so that what is in between stays small."""


class UpsampledConv2d(nn.Module):
    """What a 3x3 convolution makes of ``cat([doubled, skip])``, without the doubled map and the concatenation.

    Doubling copies each cell into 2x2 pixels, so of the 3x3 pixels that an output reads two rows and two columns fall
    into the same cells. Each of the four places in a block therefore has a 2x2 kernel on the cells, whose weights are
    sums of the nine: 4/9 of the arithmetic, and no map of the doubled size but the result. Beyond the border both see
    zeros. The result is the same up to rounding.

    (N, C, h, w) and, if there is one, the encoder's map (N, S, 2h, 2w) -> (N, O, 2h, 2w).

    Args:
        conv: 3x3, padding 1, of C + S channels.
        channels: C, how many of its channels are doubled; they come first.
    """

    def __init__(self, conv: nn.Conv2d, channels: int) -> None:
        super().__init__()
        assert conv.kernel_size == (3, 3)
        assert conv.padding == (1, 1)
        assert conv.stride == conv.dilation == (1, 1)
        assert conv.groups == 1
        weight = conv.weight.detach()
        self.out_channels = conv.out_channels
        self.cells = nn.Parameter(_block_kernels(weight[:, :channels]))  # (4*O, C, 2, 2)
        self.pixels = nn.Parameter(weight[:, channels:].clone()) if channels < conv.in_channels else None
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())

    def forward(self, decoded: Tensor, skip: Tensor | None) -> Tensor:
        """Convolve a map (N, C, h, w), doubled, together with the encoder's map."""
        height, width = decoded.shape[2:]
        bias = None if self.bias is None or skip is not None else self.bias.repeat(4)
        result = None
        if skip is not None:
            assert self.pixels is not None
            result = F.conv2d(skip, self.pixels, self.bias, padding=1)  # (N, O, 2h, 2w)
        for first in range(0, height, CONVOLVED_ROWS):
            rows = min(CONVOLVED_ROWS, height - first)
            top = max(0, first - 1)
            band = decoded[:, :, top : first + rows + 1]
            blocks = F.conv2d(band, self.cells, bias, padding=1)  # (N, 4*O, rows of the band + 1, w + 1)
            if result is None:
                size = (decoded.shape[0], self.out_channels, 2 * height, 2 * width)
                result = torch.empty(size, dtype=blocks.dtype, device=blocks.device, memory_format=_layout(blocks))
            for place, part in enumerate(blocks.chunk(4, 1)):
                row, column = divmod(place, 2)
                above = first - top + row
                inner = part[:, :, above : above + rows, column : column + width]  # (N, O, rows, w)
                target = result[:, :, 2 * first + row : 2 * (first + rows) : 2, column::2]  # a view
                if skip is None:
                    target.copy_(inner)
                else:
                    target.add_(inner)
        assert result is not None
        return result


def _block_kernels(weight: Tensor) -> Tensor:
    """Sum the weights (O, C, 3, 3) that fall on one cell, for each place in a block of 2x2: (4*O, C, 2, 2)."""
    # An output in the upper row of a block reads the last row of the block above and both rows of its own.
    rows = torch.tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], dtype=torch.float64)  # place, cell, tap
    kernels = torch.einsum("axr,byc,oirc->aboixy", rows, rows, weight.double().cpu())
    return kernels.flatten(0, 2).to(weight)


def _layout(features: Tensor) -> torch.memory_format:
    last = features.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
