"""Ways to enlarge a coarse map: copying, interpolation, transposed convolution and unpooling."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.errors import SettingError


def upsample_nearest(features: Tensor, factor: int) -> Tensor:
    """Copy every value into a block of ``factor`` x ``factor``: (N, C, h, w) -> (N, C, f*h, f*w).

    Geometry: an output reads one cell, the one it lies in. No parameters, no multiply-adds.
    """
    return F.interpolate(features, scale_factor=float(factor), mode="nearest")


def upsample_bilinear(features: Tensor, factor: int) -> Tensor:
    """Interpolate between the middles of cells: (N, C, h, w) -> (N, C, f*h, f*w).

    Pixel ``y`` reads cell position ``(y + 0.5) / f - 0.5``, clamped to the map: the half-pixel rule, by which cell
    ``i`` covers the pixels ``f*i`` to ``f*i + f - 1``. Geometry: an output reads 2 x 2 cells. No parameters; 4
    multiply-adds per value.
    """
    return F.interpolate(features, scale_factor=float(factor), mode="bilinear", align_corners=False)


def upsample_aligned(features: Tensor, factor: int) -> Tensor:
    """Interpolate between cells that lie on pixels 0, f, 2f, ...: (N, C, h, w) -> (N, C, f*h, f*w).

    Pixel ``y`` reads cell position ``y / f`` exactly, whatever the size; past the last cell its value is repeated. This
    is the rule of networks made for sizes f*k + 1 with aligned corners (the TensorFlow and Caffe DeepLabs), carried to
    sizes f*k. Geometry: an output reads 2 x 2 cells, those at and after it. No parameters; 4 multiply-adds per value.
    """
    height, width = features.shape[2:]
    repeated = F.pad(features, (0, 1, 0, 1), mode="replicate")  # (N, C, h + 1, w + 1)
    size = (factor * height + 1, factor * width + 1)
    enlarged = F.interpolate(repeated, size, mode="bilinear", align_corners=True)
    return enlarged[:, :, : factor * height, : factor * width]


def max_unpool(features: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Put values back at the maxima of a pool of 2x2 blocks, and zeros elsewhere: (N, C, h, w) -> (N, C, *size).

    Geometry: an output reads the one cell of the block it lies in. No parameters, no multiply-adds. SegNet's upsampling
    (Badrinarayanan, Kendall and Cipolla 2017).

    Args:
        features: (N, C, h, w).
        indices: int64 (N, C, h, w), what ``F.max_pool2d(..., return_indices=True)`` gave beside its result: places in
            the flattened map. Where values are equal the first one, in reading order, has been taken.
        size: height and width of the map that had been pooled; odd ones need the pool to round up (``ceil_mode``).

    Raises:
        SettingError: the size has not as many blocks, counting those that the border cuts, as the map has cells.
    """
    cells = tuple(-(-side // 2) for side in size)
    if cells != tuple(features.shape[2:]) or features.shape != indices.shape:
        raise SettingError(
            f"values {tuple(features.shape)} and indices {tuple(indices.shape)} cannot be unpooled to "
            f"{size[0]}x{size[1]}: blocks of 2x2 make {cells[0]}x{cells[1]} cells; pool with ceil_mode=True"
        )
    if torch.onnx.is_in_onnx_export():  # ONNX has no such operator that also takes sizes that are known later
        flat = features.new_zeros(*features.shape[:2], size[0] * size[1])  # (N, C, H * W)
        return flat.scatter(2, indices.flatten(2), features.flatten(2)).reshape(*features.shape[:2], *size)
    return F.max_unpool2d(features, indices, [2, 2], [2, 2], output_size=size)


def bilinear_kernel(kernel_size: int) -> Tensor:
    """Compute the weights (k, k), float64, by which a transposed convolution interpolates linearly.

    A tent of half-width ``f = ceil(k / 2)`` in either direction: k = 4 gives 0.25, 0.75, 0.75, 0.25 per side and k = 3
    gives 0.5, 1, 0.5. With stride f the tents of neighbouring cells sum to 1.
    """
    factor = (kernel_size + 1) // 2
    taps = torch.arange(kernel_size, dtype=torch.float64)
    tent = 1 - (taps - (kernel_size - 1) / 2).abs() / factor
    return tent[:, None] * tent[None, :]


class BilinearTransposed(nn.Module):
    """Transposed convolution that starts as, or stays, bilinear interpolation: (N, C, h, w) -> (N, C, H, W).

    H = (h - 1) * stride - 2 * padding + kernel_size; no biases. With k = 2f, stride f and padding f/2 the result is
    that of :func:`upsample_bilinear`, except in the f/2 pixels along each border: outside the map this operator sees
    zeros where interpolation repeats the border.

    Geometry: an output reads ceil(k / stride) cells per side, 2 for k = 2f. Parameters, if learnt: C*k*k, one kernel
    per channel; C*C*k*k with ``full``; else none. Multiply-adds: k*k*C for each input cell; k*k*C*C with ``full``.

    Args:
        channels: C; for scores, the number of classes.
        kernel_size: k.
        stride: outputs from one cell to the next, the factor of the upsampling.
        padding: outputs to cut at each border.
        learnt: whether the kernels train (they start bilinear) or stay.
        full: whether every output channel reads every input channel, through kernels that start at zero off the
            diagonal, as in the Caffe models of FCN; without it the channels are independent.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        stride: int,
        *,
        padding: int = 0,
        learnt: bool = False,
        full: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.groups = 1 if full else channels
        mixing = torch.eye(channels) if full else torch.ones(channels, 1)
        weight = mixing[:, :, None, None] * bilinear_kernel(kernel_size).to(mixing)  # (C, C or 1, k, k)
        self.weight: Tensor
        if learnt:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Enlarge a map (N, C, h, w)."""
        return F.conv_transpose2d(features, self.weight, stride=self.stride, padding=self.padding, groups=self.groups)


Upsampling = Literal["nearest", "bilinear", "transposed", "unpool"]
"""How a decoder enlarges its maps; ``pixelwise train --upsampling``."""


class Doubling(nn.Module):
    """One doubling of a decoder's map before it is joined with the encoder's map of that stride, in one of four ways.

    (N, C, h, w) -> (N, out_channels, 2h, 2w), or the size of the encoder's map where the two differ by a cell, as after
    encoders with unpadded convolutions.

    - ``"nearest"`` copies and ``"bilinear"`` interpolates: no parameters, C channels.
    - ``"transposed"``: the 2x2 up-convolution of U-Net (2015), which halves the channels: 2*C*C weights and C/2 biases;
      2*C*C multiply-adds per input cell.
    - ``"unpool"``: SegNet's idea on any encoder. In each 2x2 block of the encoder's finer map, the position of the
      largest value of a channel is where the decoded value goes; the rest is zero. A 1x1 convolution first gives the
      decoded map as many channels: C*S weights and S biases. Where the encoder has no finer map, values are copied.

    Args:
        channels: C.
        skip_channels: channels S of the encoder's map of the doubled size; 0 where it has none.
        upsampling: the way.
    """

    def __init__(self, channels: int, skip_channels: int, upsampling: Upsampling) -> None:
        super().__init__()
        self.upsampling, self.out_channels = upsampling, channels
        if upsampling == "transposed":
            self.out_channels = max(1, channels // 2)
            self.convolve = nn.ConvTranspose2d(channels, self.out_channels, 2, stride=2)
            nn.init.normal_(self.convolve.weight, std=channels**-0.5)  # an output reads one cell of each channel
            assert self.convolve.bias is not None
            nn.init.zeros_(self.convolve.bias)
        elif upsampling == "unpool" and skip_channels:
            self.out_channels = skip_channels
            self.match = nn.Conv2d(channels, skip_channels, 1)
            nn.init.normal_(self.match.weight, std=channels**-0.5)
            assert self.match.bias is not None
            nn.init.zeros_(self.match.bias)

    def forward(self, decoded: Tensor, skip: Tensor | None) -> Tensor:
        """Enlarge a decoded map (N, C, h, w) to the encoder's map ``skip`` (N, S, 2h, 2w), if there is one."""
        if self.upsampling == "unpool" and skip is not None:
            height, width = skip.shape[2:]
            _, indices = F.max_pool2d(skip, 2, ceil_mode=True, return_indices=True)  # (N, S, h, w)
            return max_unpool(_fit(self.match(decoded), indices), indices, (height, width))
        if self.upsampling == "bilinear":
            size = (2 * decoded.shape[2], 2 * decoded.shape[3]) if skip is None else skip.shape[2:]
            return F.interpolate(decoded, size, mode="bilinear", align_corners=False)
        doubled = self.convolve(decoded) if self.upsampling == "transposed" else upsample_nearest(decoded, 2)
        return doubled if skip is None else _fit(doubled, skip)


def _fit(features: Tensor, like: Tensor) -> Tensor:
    """Resize a map to the size of another by copying cells; the sizes differ only after unpadded encoders."""
    if features.shape[2:] == like.shape[2:]:
        return features
    return F.interpolate(features, like.shape[2:], mode="nearest")
