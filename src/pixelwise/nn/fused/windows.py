"""Computing a decoder on part of a picture only: the halo of a tile is read by the encoder and by nothing else."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from pixelwise.tiling import Window


@runtime_checkable
class Windowed(Protocol):
    """A decoder that can leave out what a window of its output does not need."""

    def covered(self, window: Window, size: tuple[int, int]) -> Window:
        """The part of a picture of ``size`` pixels that the result covers if a window of it is wanted."""
        ...

    def __call__(self, maps: list[Tensor], window: Window) -> Tensor:
        """Decode the encoder's maps of the whole picture, finest first, to a map of the covered part."""
        ...


@runtime_checkable
class Cutting(Protocol):
    """A decoder that may cut its maps to pictures of any size, after its encoder has rounded sizes up."""

    @property
    def cuts(self) -> bool:
        """Whether it cuts its maps, so that pictures need not be continued to whole cells of the deepest map."""
        ...

    def __call__(self, maps: list[Tensor], window: Window | None, size: tuple[int, int]) -> Tensor:
        """Decode the encoder's maps of a picture of ``size`` pixels, or of a window of it if one is given."""
        ...


def everything(size: tuple[int, int]) -> Window:
    """The window that covers a whole picture of the given height and width."""
    return slice(0, size[0]), slice(0, size[1])


def widen(window: Window, by: int, unit: int, size: tuple[int, int]) -> Window:
    """Widen a window on all sides, and then to multiples of ``unit`` pixels or to the end of the picture."""
    rows, columns = (
        slice(max(0, (side.start - by) // unit * unit), min(length, cells_for(side.stop + by, unit) * unit))
        for side, length in zip(window, size, strict=True)
    )
    return rows, columns


def crop(features: Tensor, window: Window, covered: Window, stride: int) -> Tensor:
    """Cut a map (N, C, h, w) with cells of ``stride`` pixels, which lies on ``covered``, to a window inside that.

    Its last cells may reach beyond the picture. The result is a copy, so that the map can be freed; a map that already
    lies on the window is returned unchanged.
    """
    if window == covered:
        return features
    rows, columns = (
        slice((inner.start - outer.start) // stride, cells_for(inner.stop - outer.start, stride))
        for inner, outer in zip(window, covered, strict=True)
    )
    last = features.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return features[:, :, rows, columns].clone(memory_format=layout)


def cells_of(window: Window, stride: int) -> tuple[int, int]:
    """Count rows and columns of cells of ``stride`` pixels that cover a window; the last may reach beyond it."""
    rows, columns = (cells_for(side.stop - side.start, stride) for side in window)
    return rows, columns


def cells_for(pixels: int, stride: int) -> int:
    """Count the cells of ``stride`` pixels that cover ``pixels``; the last may reach beyond them."""
    return (pixels + stride - 1) // stride  # not by a negative number, which graphs in ONNX would round the other way
