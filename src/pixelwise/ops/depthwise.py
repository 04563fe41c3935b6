"""Depthwise convolution: one filter a channel."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def depthwise_conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
) -> Tensor:
    """Convolve each channel with its own filter, as ``F.conv2d(..., groups=C)`` does.

    Args:
        input: (N, C, H, W).
        weight: one filter a channel (C, 1, kernel height, kernel width).
        bias: one value a channel (C,).
        stride: step between outputs, one number or (vertical, horizontal); likewise the following.
        padding: zeros on each side.
        dilation: step between the taps of the filter.

    Returns:
        (N, C, H', W').
    """
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups=input.shape[1])
