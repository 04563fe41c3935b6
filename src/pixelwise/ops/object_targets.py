"""Objects as a network learns them: boxes, classes, and masks that share maps of ids."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ObjectTarget(NamedTuple):
    """The objects of one training picture (h, w).

    Masks are not kept one by one: objects that do not overlap share a layer, a map of ids, so that a crowd of them
    takes the memory of one picture.
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
    """int32 (M,): the id that each object has there."""
