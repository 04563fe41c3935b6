"""What a mask head is to answer in a box."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.detection.roi_heads import project_masks_on_boxes
from torchvision.ops import roi_align

from pixelwise.ops.object_targets import ObjectTarget, sample_targets


@pytest.fixture
def crowd() -> tuple[ObjectTarget, torch.Tensor]:
    """Six objects on two layers of 60 x 70, two of which overlap, and their masks (6, 60, 70)."""
    layers = torch.zeros(2, 60, 70, dtype=torch.int32)
    places = [(0, 5, 5, 20, 30), (0, 25, 10, 50, 22), (1, 10, 15, 40, 40), (0, 0, 60, 9, 70), (1, 50, 0, 60, 70)]
    for number, (layer, top, left, bottom, right) in enumerate(places):
        layers[layer, top:bottom, left:right] = 10 + number
    layers[0, 40, 60] = 99  # a single pixel
    layer = torch.tensor([*(place[0] for place in places), 0])
    ids = torch.tensor([10, 11, 12, 13, 14, 99], dtype=torch.int32)
    boxes = torch.tensor([[left, top, right, bottom] for _, top, left, bottom, right in places] + [[60, 40, 61, 41]])
    masks = torch.stack([layers[which] == identity for which, identity in zip(layer, ids, strict=True)])
    return ObjectTarget(boxes.float(), torch.zeros(6).long(), layers, layer, ids), masks.float()


@pytest.mark.parametrize("cells", [14, 28])
def test_targets_equal_torchvisions(crowd: tuple[ObjectTarget, torch.Tensor], cells: int) -> None:
    target, masks = crowd
    torch.manual_seed(0)
    matched = torch.arange(6).repeat(8)
    boxes = target.boxes[matched] + torch.randn(48, 4) * 3
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2])  # some are thinner than a pixel
    expected = project_masks_on_boxes(masks, boxes, matched, cells)
    found = sample_targets(target, boxes, matched, cells, half_pixel=False)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    rois = torch.cat([matched[:, None].float(), boxes], 1)
    expected = roi_align(masks[:, None], rois, cells, 1.0, -1, True)[:, 0]
    torch.testing.assert_close(sample_targets(target, boxes, matched, cells), expected, rtol=1e-4, atol=1e-4)


def test_a_box_around_its_object_is_full(crowd: tuple[ObjectTarget, torch.Tensor]) -> None:
    target, _ = crowd
    found = sample_targets(target, target.boxes, torch.arange(6), 28)
    assert found.mean((1, 2))[[0, 1, 2, 4]].min() > 0.95
    assert found[:5, 4:-4, 4:-4].min() > 1 - 1e-5


def test_boxes_outside_and_no_boxes(crowd: tuple[ObjectTarget, torch.Tensor]) -> None:
    target, _ = crowd
    outside = torch.tensor([[100.0, 100, 120, 120], [-50, -50, -20, -20]])
    assert not sample_targets(target, outside, torch.tensor([0, 1]), 28).any()
    assert sample_targets(target, torch.zeros(0, 4), torch.zeros(0).long(), 28).shape == (0, 28, 28)
