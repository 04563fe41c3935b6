"""Pasting masks of objects into their boxes, where they are kept; no mask takes the size of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.errors import SettingError
from pixelwise.instances import BoxMask
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.native import native_for, threads
from pixelwise.ops.tail.reference import upsample_window


def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int], *, threshold: float = 0.5) -> list[BoxMask]:
    """Stretch mask probabilities over their boxes and cut them at a threshold.

    The geometry is that of torchvision's ``paste_masks_in_image``: the mask gets a border of zeros one cell wide, the
    box grows with it and is cut to whole pixels, and the mask is interpolated over it (bilinear, half-pixel centres).
    Unlike in torchvision, there is no picture of probabilities; memory is one byte per pixel of the boxes.

    Args:
        masks: probabilities (N, M, M), or (N, 1, M, M) as networks give them.
        boxes: left, top, right and bottom of each in pixels (N, 4).
        size: height and width of the picture.
        threshold: a pixel belongs to the object where its probability is greater.

    Returns:
        One mask per box, cut to the picture; one outside of it has no pixels.

    Raises:
        SettingError: shapes do not fit, or a box is not finite.
    """
    if masks.ndim == 4 and masks.shape[1] == 1:
        masks = masks[:, 0]  # (N, M, M)
    if masks.ndim != 3 or masks.shape[1] != masks.shape[2] or boxes.shape != (len(masks), 4) or masks.shape[1] < 1:
        raise SettingError(f"masks must be (N, M, M) and boxes (N, 4), got {tuple(masks.shape)}, {tuple(boxes.shape)}")
    if not boxes.isfinite().all():
        raise SettingError("boxes must be finite numbers; one holds NaN or infinity")
    windows = [_Window.of(box, size) for box in _expanded(boxes, masks.shape[1])]
    padded = F.pad(masks.detach().float(), (1, 1, 1, 1))  # (N, M + 2, M + 2)
    native = native_for(padded)
    paste = _paste if native is None else partial(_paste_native, native)
    crops = paste(padded, windows, threshold)
    return [BoxMask(crop.cpu().numpy(), window.y, window.x, size) for crop, window in zip(crops, windows, strict=True)]


@dataclass(frozen=True)
class _Window:
    """The part of a box that lies on the picture, by its start in the box and on the picture."""

    box_height: int
    box_width: int
    top: int
    left: int
    height: int
    width: int
    y: int
    x: int

    @classmethod
    def of(cls, box: tuple[int, int, int, int], size: tuple[int, int]) -> _Window:
        left, top, right, bottom = box  # the last row and the last column belong to the box
        y, x = max(top, 0), max(left, 0)
        height, width = min(bottom + 1, size[0]) - y, min(right + 1, size[1]) - x
        if height <= 0 or width <= 0:
            return cls(1, 1, 0, 0, 0, 0, 0, 0)
        return cls(bottom - top + 1, right - left + 1, y - top, x - left, height, width, y, x)


def _expanded(boxes: Tensor, cells: int) -> list[tuple[int, int, int, int]]:
    """Grow boxes by one cell of their mask on each side and cut them to whole pixels, as torchvision does."""
    boxes = boxes.detach().float()
    middle = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    reach = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * ((cells + 2) / cells)
    return torch.cat([middle - reach, middle + reach], 1).long().tolist()


def _paste(masks: Tensor, windows: list[_Window], threshold: float) -> list[Tensor]:
    crops = []
    for mask, window in zip(masks, windows, strict=True):
        if window.height == 0:
            crops.append(mask.new_zeros(0, 0, dtype=torch.bool))
            continue
        rows, columns = resolve_grid(
            (mask.shape[0], mask.shape[1]), (window.box_height, window.box_width), scale=None, offset=None
        )
        down = slice(window.top, window.top + window.height)
        along = slice(window.left, window.left + window.width)
        crops.append(upsample_window(mask[None, None], rows, columns, down, along)[0, 0] > threshold)
    return crops


def _paste_native(native: ModuleType, masks: Tensor, windows: list[_Window], threshold: float) -> list[Tensor]:
    areas = [window.height * window.width for window in windows]
    pixels = torch.empty(sum(areas), dtype=torch.uint8)
    places = [(w.box_height, w.box_width, w.top, w.left, w.height, w.width) for w in windows]
    native.paste_masks(
        masks.contiguous(), torch.tensor(places, dtype=torch.int64).view(-1, 6), threshold, pixels, threads()
    )
    pieces = torch.split(pixels.view(torch.bool), areas)
    # Column by column in memory, which is the order in which run-length encoding reads.
    return [piece.view(window.width, window.height).t() for piece, window in zip(pieces, windows, strict=True)]
