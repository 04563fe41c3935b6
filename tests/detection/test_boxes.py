"""Boxes as numbers to learn, and the object that each belongs to."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.ops import box_iou

from pixelwise.detection import boxes as module
from pixelwise.detection.boxes import decode_boxes, encode_boxes, match_boxes, pairwise_iou, sample


def random_boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * 100
    return torch.cat([corners, corners + torch.rand(count, 2, generator=generator) * 50 + 0.5], 1)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_decoding_undoes_encoding(weights: tuple[float, ...]) -> None:
    boxes, origins = random_boxes(50, 0).double(), random_boxes(50, 1).double()
    deltas = encode_boxes(boxes, origins, weights)
    torch.testing.assert_close(decode_boxes(deltas, origins, weights), boxes)
    coder = BoxCoder(weights)
    torch.testing.assert_close(deltas, coder.encode_single(boxes, origins))


def test_a_wild_delta_gives_a_finite_box() -> None:
    assert decode_boxes(torch.full((1, 4), 1e4), random_boxes(1, 0)).isfinite().all()


def test_overlaps_equal_torchvision() -> None:
    first, second = random_boxes(20, 2), random_boxes(30, 3)
    torch.testing.assert_close(pairwise_iou(first, second), box_iou(first, second))
    assert pairwise_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize(("high", "low", "best_too"), [(0.7, 0.3, True), (0.5, 0.5, False)])
def test_matches_equal_torchvision(
    high: float, low: float, best_too: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    boxes, objects = random_boxes(400, 4), random_boxes(23, 5)
    expected = Matcher(high, low, allow_low_quality_matches=best_too)(box_iou(objects, boxes))
    number, positive, negative = match_boxes(boxes, objects, high=high, low=low, best_too=best_too)
    assert positive.any()
    assert torch.equal(positive, expected >= 0)
    assert torch.equal(number[positive], expected[positive])
    assert torch.equal(negative, expected == Matcher.BELOW_LOW_THRESHOLD)


def test_without_objects_all_is_background() -> None:
    _, positive, negative = match_boxes(random_boxes(9, 0), torch.zeros(0, 4), high=0.7, low=0.3, best_too=True)
    assert not positive.any()
    assert negative.all()


def test_an_object_that_no_anchor_touches_claims_none() -> None:
    far = torch.tensor([[1e4, 1e4, 1e4 + 5, 1e4 + 5]])
    _, positive, negative = match_boxes(random_boxes(9, 0), far, high=0.7, low=0.3, best_too=True)
    assert not positive.any()
    assert negative.all()


def test_a_sample_is_filled_with_negatives() -> None:
    positive = torch.arange(1000) < 10
    found, nothing = sample(positive, ~positive, count=64, share=0.5)
    assert (len(found), len(nothing)) == (10, 54)
    assert len(set(nothing.tolist())) == 54
    found, nothing = sample(~positive, positive, count=64, share=0.25)
    assert (len(found), len(nothing)) == (16, 10)
