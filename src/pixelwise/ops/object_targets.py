"""Objects in the form that a network learns from: boxes, classes, and masks that share maps of ids."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class ObjectTarget(NamedTuple):
    """The objects of one training picture (h, w).

    Masks are not kept one by one: objects that do not overlap share a layer, which is a map of ids, so that many of
    them take the memory of one picture.
    """

    boxes: Tensor
    """float32 (M, 4): left, top, right and bottom edge in pixels."""
    labels: Tensor
    """int64 (M,): class indices without background."""
    layers: Tensor
    """int32 (L, h, w): ids of objects, 0 where there is none; L is 0 where only boxes are known."""
    layer: Tensor
    """int64 (M,): the layer of each object."""
    ids: Tensor
    """int32 (M,): the id that each object has in its layer."""


def sample_targets(
    target: ObjectTarget, boxes: Tensor, matched: Tensor, cells: int, *, half_pixel: bool = True
) -> Tensor:
    """Sample the masks of objects on the cells of boxes, as targets of a mask head.

    A cell is the mean of samples that are at most one pixel apart, each interpolated between the pixels of the
    object's mask (1 inside, 0 outside). No mask is ever larger than its box.

    Args:
        target: the objects of a picture.
        boxes: left, top, right and bottom in pixels (P, 4).
        matched: (P,) number of the object of each box.
        cells: side of the masks.
        half_pixel: whether pixel ``i`` reaches from ``i`` to ``i + 1``; else samples are taken as if its centre were at
            ``i``, as in torchvision's ``project_masks_on_boxes``.

    Returns:
        float32 (P, cells, cells), 0 .. 1.
    """
    from torchvision.ops import roi_align  # here, because torchvision takes longer to import than torch

    drawn = boxes.new_zeros(len(boxes), cells, cells, dtype=torch.float32)  # (P, cells, cells)
    height, width = target.layers.shape[1:]
    layers, ids = target.layer[matched].tolist(), target.ids[matched].tolist()
    for number, (box, layer, identity) in enumerate(zip(boxes.tolist(), layers, ids, strict=True)):
        # Samples read at most two pixels beyond the box on each side.
        left, right = (min(max(0, edge), width) for edge in (math.floor(box[0]) - 2, math.ceil(box[2]) + 3))
        top, bottom = (min(max(0, edge), height) for edge in (math.floor(box[1]) - 2, math.ceil(box[3]) + 3))
        if left >= right or top >= bottom:
            continue
        crop = (target.layers[layer, top:bottom, left:right] == identity).float()[None, None]  # (1, 1, h, w)
        roi = crop.new_tensor([[0, box[0] - left, box[1] - top, box[2] - left, box[3] - top]])
        drawn[number] = roi_align(crop, roi, cells, 1.0, -1, half_pixel)[0, 0]
    return drawn
