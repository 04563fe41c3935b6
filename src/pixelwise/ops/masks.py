"""Pasting masks of objects into their boxes, where they are kept; no mask takes the size of the picture."""

from __future__ import annotations

from torch import Tensor

from pixelwise.instances import BoxMask
from pixelwise.ops.object_arrays import paste


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
    probabilities, edges = (part.detach().float().cpu().numpy() for part in (masks, boxes))
    return paste(probabilities, edges, size, threshold=threshold)
