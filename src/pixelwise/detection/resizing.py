"""Pictures and their objects at another scale."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.ops.object_targets import ObjectTarget


def resize_images(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate images (N, C, H, W) to a height and width; images of that size are returned unchanged.

    Interpolation is bilinear with half-pixel centres and without smoothing before shrinking, as torchvision's networks
    were trained.
    """
    if tuple(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size, mode="bilinear", align_corners=False)


def resize_target(target: ObjectTarget, size: tuple[int, int], of: tuple[int, int]) -> ObjectTarget:
    """Scale the objects of a picture of height and width ``of`` to another size of the picture.

    A pixel of a mask is the nearest one above and to the left, as in ``F.interpolate(mode="nearest")``.
    """
    if of == size:
        return target
    down, along = size[0] / of[0], size[1] / of[1]
    rows, columns = (
        (torch.arange(new, device=target.layers.device) * (old / new)).long().clamp(max=old - 1)
        for new, old in zip(size, of, strict=True)
    )
    return target._replace(
        boxes=target.boxes * target.boxes.new_tensor([along, down, along, down]),
        layers=target.layers.index_select(1, rows).index_select(2, columns),
    )
