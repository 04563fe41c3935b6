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


INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


@pytest.mark.parametrize("dtype", [*INTEGERS, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_boxes_of_any_type_overlap_as_in_float64(dtype: torch.dtype) -> None:
    # As far out as the type reaches, where areas and even sides of small types overflow, and right of one another.
    info = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
    least, most = max(info.min, -60000), min(info.max, 60000)
    generator = torch.Generator().manual_seed(0)
    corners = (torch.rand(60, 2, 2, generator=generator, dtype=torch.float64) * (most - least) + least).round()
    boxes = torch.cat([corners.amin(1), corners.amax(1)], 1).to(dtype)
    whole = torch.tensor([[least, least, most, most], [0, 0, most, most]]).to(dtype)
    first, second = torch.cat([boxes[:20], whole]), torch.cat([boxes[20:], whole])
    found = pairwise_iou(first, second)
    expected = box_iou(first.double(), second.double())
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-7)
    assert (found.diagonal(-18)[-2:] <= 1).all()
    torch.testing.assert_close(pairwise_iou(whole, whole).diagonal(), torch.ones(2, dtype=found.dtype))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_large_integers_lose_nothing(dtype: torch.dtype) -> None:
    # Odd numbers from 2**24 on are no float32.
    start = 2**24 + 1
    boxes = torch.tensor([[start, start, start + 3, start + 1], [start + 1, start, start + 4, start + 1]], dtype=dtype)
    torch.testing.assert_close(pairwise_iou(boxes, boxes), torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
    mixed = pairwise_iou(boxes, boxes.double())
    torch.testing.assert_close(mixed, torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.int16, torch.float16, torch.float32, torch.float64])
def test_empty_boxes_overlap_nothing(dtype: torch.dtype) -> None:
    # A point, a line, and boxes that end before they begin along one side or both; then whole ones around them.
    empty = torch.tensor([[5, 5, 5, 5], [2, 5, 9, 5], [9, 1, 2, 8], [9, 8, 2, 1]], dtype=dtype)
    whole = torch.tensor([[0, 0, 10, 10], [-10, -10, 0, 0], [-4, -4, 6, 6]], dtype=dtype)
    assert not pairwise_iou(empty, torch.cat([whole, empty])).any()
    assert not pairwise_iou(torch.cat([whole, empty]), empty).any()
    expected = torch.tensor([[1, 0, 36 / 164], [0, 1, 16 / 184], [36 / 164, 16 / 184, 1]], dtype=torch.float64)
    torch.testing.assert_close(pairwise_iou(whole, whole).double(), expected)
    assert pairwise_iou(whole[:0], whole).shape == (0, 3)
    assert pairwise_iou(whole, whole[:0]).shape == (3, 0)


@pytest.mark.parametrize("dtype", [*INTEGERS, torch.float16, torch.bfloat16])
def test_boxes_of_any_type_are_matched_and_encoded_as_in_float32(dtype: torch.dtype) -> None:
    # Coordinates that every one of these types holds; weights that are no integers.
    boxes, objects = (random_boxes(count, seed).div(8).round().mul(6) for count, seed in ((80, 4), (9, 5)))
    boxes[:, 2:], objects[:, 2:] = boxes[:, 2:].clamp(max=126) + 1, objects[:, 2:].clamp(max=126) + 1
    boxes, objects = boxes.to(dtype), objects.to(dtype)
    weights = (10.0, 10.0, 0.5, 0.5)
    for ours, plain in zip(
        match_boxes(boxes, objects, high=0.5, low=0.3, best_too=True),
        match_boxes(boxes.float(), objects.float(), high=0.5, low=0.3, best_too=True),
        strict=True,
    ):
        assert torch.equal(ours, plain)
    deltas = encode_boxes(boxes[:9], objects, weights)
    torch.testing.assert_close(
        deltas.float(), encode_boxes(boxes[:9].float(), objects.float(), weights), rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(decode_boxes(deltas, objects, weights).float(), boxes[:9].float())


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize(("high", "low", "best_too"), [(0.7, 0.3, True), (0.5, 0.5, False)])
def test_matches_equal_torchvision(
    high: float, low: float, best_too: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OBJECTS_AT_A_TIME", chunk)
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
