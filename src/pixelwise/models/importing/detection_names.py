"""Renaming the tensors of torchvision's Faster and Mask R-CNN to the names used here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_RCNN_NAMES = (
    (r"^backbone\.body\.", "trunk.encoder.body."),
    (r"^backbone\.fpn\.", "trunk.fpn."),
    # In early versions of torchvision, the layers of the pyramid and of the proposals' head were in no sequence.
    (r"^(trunk\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2"),
    (r"^rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
    (r"^roi_heads\.box_head\.", "heads.box_head."),
    (r"^roi_heads\.box_predictor\.", "heads.box_head."),
    (r"^roi_heads\.mask_head\.(\d)\.0\.", r"heads.mask_head.convolutions.\1."),
    (r"^roi_heads\.mask_head\.mask_fcn(\d)\.", lambda found: f"heads.mask_head.convolutions.{int(found[1]) - 1}."),
    (r"^roi_heads\.mask_predictor\.conv5_mask\.", "heads.mask_head.up."),
    (r"^roi_heads\.mask_predictor\.mask_fcn_logits\.", "heads.mask_head.logits."),
)


def rcnn_from_torchvision(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the tensors of ``fasterrcnn_resnet50_fpn`` or ``maskrcnn_resnet50_fpn``."""
    renamed = {}
    for name, value in tensors.items():
        for pattern, replacement in _RCNN_NAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed
