"""A convolution of a doubled map without building the doubled map, for networks that only predict."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.nn.upsampling import upsample_nearest

CONVOLVED_ROWS = 32
"""The rows of cells that are convolved at a time, so that intermediate results stay small."""


class UpsampledConv2d(nn.Module):
    """Computes a 3x3 convolution of ``cat([doubled, skip])`` without the doubled map and the concatenation.

    Doubling copies each cell into 2x2 pixels. Of the 3x3 pixels that an output reads, two rows and two columns
    therefore belong to the same cells. Each of the four positions in a block has a 2x2 kernel on the cells, whose
    weights are sums of the nine. This takes 4/9 of the arithmetic, and the result is the only map of the doubled size.
    Both read zeros beyond the border, and the result is the same up to rounding.

    The doubled map may lack its last row or column, as after an encoder has halved an odd side. Outputs there read
    zeros instead, and are computed in the plain way.

    (N, C, h, w) and, if there is one, the encoder's map (N, S, 2h, 2w) -> (N, O, 2h, 2w); or both with odd sides.

    Args:
        conv: the 3x3 convolution with padding 1 of C + S channels.
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
        self.register_buffer("doubled", weight[:, :channels].clone(), persistent=False)  # (O, C, 3, 3)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())

    doubled: Tensor

    def forward(self, decoded: Tensor, skip: Tensor | None, size: tuple[int, int] | None = None) -> Tensor:
        """Convolve a map (N, C, h, w), doubled, together with the encoder's map.

        Args:
            decoded: the map.
            skip: the encoder's map (N, S, H, W), if there is one.
            size: rows and columns H, W of the doubled map, 2h or 2h - 1 and 2w or 2w - 1; 2h, 2w by default.
        """
        height, width = decoded.shape[2:]
        size = (2 * height, 2 * width) if size is None else size
        bias = None if self.bias is None or skip is not None else self.bias.repeat(4)
        result = None
        if skip is not None:
            assert self.pixels is not None
            result = F.conv2d(skip, self.pixels, self.bias, padding=1)  # (N, O, H, W)
        for first in range(0, height, CONVOLVED_ROWS):
            rows = min(CONVOLVED_ROWS, height - first)
            top = max(0, first - 1)
            band = decoded[:, :, top : first + rows + 1]
            blocks = F.conv2d(band, self.cells, bias, padding=1)  # (N, 4*O, rows of the band + 1, w + 1)
            if result is None:
                shape = (decoded.shape[0], self.out_channels, *size)
                result = torch.empty(shape, dtype=blocks.dtype, device=blocks.device, memory_format=_layout(blocks))
            for place, part in enumerate(blocks.chunk(4, 1)):
                row, column = divmod(place, 2)
                above = first - top + row
                target = result[:, :, 2 * first + row : 2 * (first + rows) : 2, column::2]  # a view
                wanted_rows, wanted_columns = target.shape[2:]  # a row or column less at the end of odd sides
                inner = part[:, :, above : above + wanted_rows, column : column + wanted_columns]  # (N, O, rows, w)
                if skip is None:
                    target.copy_(inner)
                else:
                    target.add_(inner)
        assert result is not None
        for axis in (2, 3):
            if size[axis - 2] % 2:
                result.narrow(axis, -1, 1).copy_(self._last_line(decoded, skip, size, axis))
        return result

    def _last_line(self, decoded: Tensor, skip: Tensor | None, size: tuple[int, int], axis: int) -> Tensor:
        """Convolve the last row (axis 2) or column (axis 3) in the plain way; it reads one more row or column."""
        cells, lines = min(2, decoded.shape[axis]), min(3, size[axis - 2])
        sides = list(size)
        sides[axis - 2] = lines
        end = upsample_nearest(decoded.narrow(axis, decoded.shape[axis] - cells, cells), 2)
        end = end[:, :, : sides[0], : sides[1]]  # (N, C, 3, W) or (N, C, H, 3)
        weight = self.doubled
        if skip is not None:
            assert self.pixels is not None
            end = torch.cat([end, skip.narrow(axis, size[axis - 2] - lines, lines)], 1)
            weight = torch.cat([weight, self.pixels], 1)
        return F.conv2d(end, weight, self.bias, padding=1).narrow(axis, lines - 1, 1)


def _block_kernels(weight: Tensor) -> Tensor:
    """Sum the weights (O, C, 3, 3) that fall on one cell, for each place in a block of 2x2: (4*O, C, 2, 2)."""
    # An output in the upper row of a block reads the last row of the block above and both rows of its own.
    rows = torch.tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], dtype=torch.float64)  # place, cell, tap
    kernels = torch.einsum("axr,byc,oirc->aboixy", rows, rows, weight.double().cpu())
    return kernels.flatten(0, 2).to(weight)


def _layout(features: Tensor) -> torch.memory_format:
    last = features.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
