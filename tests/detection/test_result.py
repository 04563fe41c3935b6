"""Detections become objects."""

from __future__ import annotations

import numpy as np
import torch

from pixelwise.detection import Detections, to_instances


def test_masks_boxes_and_scores_become_objects() -> None:
    masks = torch.zeros(3, 28, 28)
    masks[0] = 1
    masks[1, :, :14] = 1  # the left half
    boxes = torch.tensor([[10.0, 20, 30, 50], [40, 10, 60, 40], [5, 5, 15, 15]])
    found = to_instances(Detections(boxes, torch.tensor([2, 0, 1]), torch.tensor([0.9, 0.8, 0.7]), masks), (64, 80))
    assert found.labels.tolist() == [2, 0]  # of the third no pixel is left
    assert found.scores is not None
    np.testing.assert_allclose(found.scores, [0.9, 0.8])
    np.testing.assert_array_equal(found.boxes, boxes[:2].numpy())
    assert found.masks is not None
    assert found.masks[0].pixels.all()
    assert abs(found.masks[0].area - 20 * 30) <= 51
    left, _, right, _ = found.masks[1].box
    assert abs(left - 40) <= 1
    assert abs(right - 50) <= 1


def test_what_lies_outside_is_dropped_and_what_reaches_out_is_cut() -> None:
    boxes = torch.tensor([[-10.0, -10, 10, 10], [100, 0, 120, 20], [3, 3, 3, 9]])
    for masks in (None, torch.ones(3, 28, 28)):
        found = to_instances(Detections(boxes, torch.zeros(3).long(), torch.ones(3), masks), (50, 60))
        assert found.boxes.tolist() == [[0, 0, 10, 10]]
        assert (found.masks is None) == (masks is None)


def test_nothing_gives_nothing() -> None:
    empty = Detections(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0), torch.zeros(0, 28, 28))
    assert len(to_instances(empty, (5, 5))) == 0
