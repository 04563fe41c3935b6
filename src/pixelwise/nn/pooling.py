"""Ways to make a map coarser: the largest value or the mean of a window, or a strided convolution."""

from __future__ import annotations

from typing import Literal

from torch import nn

from pixelwise.errors import SettingError
from pixelwise.nn.blocks import conv_norm_relu

Pooling = Literal["max", "average"]
Downsampling = Literal["max", "average", "strided"]


def pool(
    kind: Pooling, kernel_size: int = 2, *, stride: int | None = None, padding: int = 0, ceil: bool = False
) -> nn.Module:
    """Take the largest value or the mean of each window: (N, C, H, W) -> (N, C, :func:`pooled_size` of H and W).

    The classical networks pool as follows, all with ``"max"``:

    ========================  ===========================================  ==================
    network                   call                                         500 pixels become
    ========================  ===========================================  ==================
    VGG16, U-Net              ``pool("max")``                              250
    FCN, SegNet (Caffe)       ``pool("max", ceil=True)``                   250 (175 to 88)
    AlexNet                   ``pool("max", 3, stride=2, ceil=True)``      250
    DeepLab v1, v2            ``pool("max", 3, stride=2, padding=1)``      250 (321 to 161)
    the same, at stride 1     ``pool("max", 3, stride=1, padding=1)``      500
    ========================  ===========================================  ==================

    Geometry: stride ``stride``; an output reads ``kernel_size`` pixels per side. No parameters, no multiply-adds.

    Args:
        kind: the largest value or the mean. A mean includes the zeros of the padding, as in Caffe, but nothing beyond
            it.
        kernel_size: side of the window.
        stride: step between windows; by default they touch.
        padding: rows and columns around the map, of minus infinity for ``"max"`` and of zeros for ``"average"``.
        ceil: whether a last window that is only partly inside counts, as in Caffe; it must begin inside.

    Raises:
        SettingError: an unknown kind.
    """
    if kind not in ("max", "average"):
        raise SettingError(f"there is no pooling '{kind}'; choose max or average")
    stride = kernel_size if stride is None else stride
    if kind == "max":
        return nn.MaxPool2d(kernel_size, stride, padding, ceil_mode=ceil)
    return nn.AvgPool2d(kernel_size, stride, padding, ceil_mode=ceil)


def pooled_size(
    size: int, kernel_size: int = 2, *, stride: int | None = None, padding: int = 0, ceil: bool = False
) -> int:
    """Count the windows of a pool along an axis of ``size`` pixels; arguments as of :func:`pool`."""
    stride = kernel_size if stride is None else stride
    room = size + 2 * padding - kernel_size
    windows = (-(-room // stride) if ceil else room // stride) + 1
    begins = (windows - 1) * stride
    return windows - 1 if ceil and begins >= size + padding else windows


def downsample(kind: Downsampling, channels: int) -> nn.Module:
    """Halve a map: (N, C, H, W) -> (N, C, H / 2, W / 2), sizes rounded up.

    ``"max"`` keeps the largest of 2x2 values and ``"average"`` their mean. ``"strided"`` learns what to keep, by a 3x3
    convolution of stride 2 with batch norm and ReLU (Springenberg, Dosovitskiy, Brox and Riedmiller 2015).

    Geometry: stride 2; an output reads 2 pixels per side when pooled, 3 when strided.
    Parameters: none when pooled; 9*C*C weights and 2*C of the norm when strided.
    Multiply-adds: none when pooled; 9*C*C per output cell when strided.

    Raises:
        SettingError: an unknown kind.
    """
    if kind == "strided":
        return conv_norm_relu(channels, channels, stride=2)
    if kind not in ("max", "average"):
        raise SettingError(f"there is no downsampling '{kind}'; choose max, average or strided")
    return pool(kind, ceil=True)
