"""Operators on tensors; each has a plain torch form, and a native or Triton kernel where that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelwise.lazy import names_from

if TYPE_CHECKING:
    from pixelwise.ops.border import border_weight_map as border_weight_map
    from pixelwise.ops.confusion import confusion_counts as confusion_counts
    from pixelwise.ops.depthwise import depthwise_conv2d as depthwise_conv2d
    from pixelwise.ops.masks import paste_masks as paste_masks
    from pixelwise.ops.rle import Rle as Rle
    from pixelwise.ops.rle import decode_box_mask as decode_box_mask
    from pixelwise.ops.rle import decode_rle as decode_rle
    from pixelwise.ops.rle import encode_rle as encode_rle
    from pixelwise.ops.tail.calls import upsample_argmax as upsample_argmax
    from pixelwise.ops.tail.calls import upsample_confusion as upsample_confusion
    from pixelwise.ops.tail.calls import upsample_cross_entropy as upsample_cross_entropy
    from pixelwise.ops.tail.lovasz import upsample_lovasz as upsample_lovasz
    from pixelwise.ops.tail.overlaps import Overlaps as Overlaps
    from pixelwise.ops.tail.overlaps import upsample_overlaps as upsample_overlaps

# Imported on first use: those that work on arrays need no torch.
_HOMES = {
    "Overlaps": "pixelwise.ops.tail.overlaps",
    "Rle": "pixelwise.ops.rle",
    "border_weight_map": "pixelwise.ops.border",
    "confusion_counts": "pixelwise.ops.confusion",
    "decode_box_mask": "pixelwise.ops.rle",
    "decode_rle": "pixelwise.ops.rle",
    "depthwise_conv2d": "pixelwise.ops.depthwise",
    "encode_rle": "pixelwise.ops.rle",
    "paste_masks": "pixelwise.ops.masks",
    "upsample_argmax": "pixelwise.ops.tail.calls",
    "upsample_confusion": "pixelwise.ops.tail.calls",
    "upsample_cross_entropy": "pixelwise.ops.tail.calls",
    "upsample_lovasz": "pixelwise.ops.tail.lovasz",
    "upsample_overlaps": "pixelwise.ops.tail.overlaps",
}
__all__ = sorted(_HOMES)

__getattr__ = names_from(__name__, _HOMES)
