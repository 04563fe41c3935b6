"""Exchanging parts of a network for others that compute the same in fewer passes, for networks that only predict."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Fusible(Protocol):
    """A part of a network that can be exchanged for one that computes the same in fewer passes."""

    def fuse(self) -> None:
        """Exchange the parts that can be; the module can then no longer be trained or saved."""


class HalvingMaxPool2d(nn.MaxPool2d):
    """Max pooling of 3x3 cells at stride 2 with padding 1, without the indices of the maxima.

    Indices have 64 bits, four times the size of a map in bfloat16, and predictions do not need them. Rows are pooled
    first, then columns. (N, C, h, w) -> (N, C, h / 2, w / 2).
    """

    def __init__(self) -> None:
        super().__init__(3, 2, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Pool a map; a map with an odd side is pooled in the plain way."""
        if input.shape[2] % 2 or input.shape[3] % 2:
            return super().forward(input)  # type: ignore[no-any-return]
        rows = torch.maximum(input[:, :, 0::2], input[:, :, 1::2])  # (N, C, h / 2, w)
        torch.maximum(rows[:, :, 1:], input[:, :, 1:-1:2], out=rows[:, :, 1:])
        result = torch.maximum(rows[..., 0::2], rows[..., 1::2])  # (N, C, h / 2, w / 2)
        torch.maximum(result[..., 1:], rows[..., 1:-1:2], out=result[..., 1:])
        return result


def fuse_parts(network: nn.Module) -> None:
    """Fuse every part of a network that can be fused, in place.

    Args:
        network: a network whose encoder's maps are exact fractions of the picture.
    """
    for part in list(network.modules()):
        if isinstance(part, Fusible):
            part.fuse()
        for name, child in list(part.named_children()):
            if type(child) is nn.MaxPool2d and _halves(child):
                setattr(part, name, HalvingMaxPool2d())


def _halves(pool: nn.MaxPool2d) -> bool:
    kernel, stride, padding, dilation = (
        set(value) if isinstance(value, tuple) else {value}
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    plain = not pool.ceil_mode and not pool.return_indices
    return plain and (kernel, stride, padding, dilation) == ({3}, {2}, {1}, {1})
