"""Small networks that find objects."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from pixelwise.instances import ObjectRule
from pixelwise.models import DetectionModel, build_model
from pixelwise.preprocessing import Resize


def lively(resize: Resize | None = None) -> DetectionModel:
    """A small network that finds objects of two classes, with a rule of its own."""
    torch.manual_seed(0)
    options = {"encoder": "test_resnet", "channels": 16, "head": 32, "mask_head": 16, "proposals": 50, "detections": 20}
    model = build_model("mask_rcnn", classes=2, **options)
    assert isinstance(model, DetectionModel)
    heads = model.network.heads
    assert heads.mask_head is not None
    for layer, deviation in (
        (heads.box_head.cls_score, 0.5),
        (model.network.rpn.head.cls_logits, 0.5),
        (heads.box_head.bbox_pred, 0.2),
        (heads.mask_head.logits, 2.0),
    ):
        nn.init.normal_(layer.weight, std=deviation)
    changed = replace(model.preprocessing, resize=resize)
    model.change_card(preprocessing=changed, object_rule=ObjectRule(score=0.3, min_area=4))
    return model.eval()
