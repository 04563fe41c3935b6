"""Encoding boxes as numbers that a network can learn, and matching boxes to objects.

Boxes may be integers of any size or floats of any precision. Computations use float32 or float64, because areas
overflow in small integers (100 x 100 pixels in bytes) and in float16 (256 x 256).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST_LOG_STRETCH = math.log(1000 / 16)
"""The largest logarithm of the factor by which a side is stretched, which limits the output of an untrained network."""

OBJECTS_AT_A_TIME = 32
"""The objects that are compared with all anchors at a time, which bounds the memory of crowded pictures."""


def encode_boxes(boxes: Tensor, origins: Tensor, weights: tuple[float, ...] = (1, 1, 1, 1)) -> Tensor:
    """Encode boxes relative to those they are predicted from (Girshick et al. 2014, appendix C).

    Args:
        boxes: left, top, right, bottom (P, 4), with sides above 0.
        origins: anchors or proposals (P, 4) in pixels, left, top, right and bottom.
        weights: factors on the shift along x and y and on the logarithms of width and height.

    Returns:
        (P, 4): shift of the centre in sides of the origin, and the logarithm of the growth of the sides.
    """
    boxes, origins = widened(boxes, origins)
    sides, from_sides = boxes[:, 2:] - boxes[:, :2], origins[:, 2:] - origins[:, :2]
    shift = (boxes[:, :2] + sides / 2 - origins[:, :2] - from_sides / 2) / from_sides
    return torch.cat([shift, (sides / from_sides).log()], 1) * boxes.new_tensor(weights)


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut boxes (P, 4) to a picture of a height and width."""
    height, width = size
    columns, rows = boxes[:, 0::2].clamp(0, width), boxes[:, 1::2].clamp(0, height)
    return torch.stack([columns, rows], 2).flatten(1)


def decode_boxes(deltas: Tensor, origins: Tensor, weights: tuple[float, ...] = (1, 1, 1, 1)) -> Tensor:
    """Undo :func:`encode_boxes`: deltas (P, 4) and origins (P, 4) give boxes (P, 4)."""
    deltas, origins = widened(deltas, origins)
    deltas = deltas / deltas.new_tensor(weights)
    from_sides = origins[:, 2:] - origins[:, :2]
    middle = deltas[:, :2] * from_sides + origins[:, :2] + from_sides / 2
    reach = deltas[:, 2:].clamp(max=LARGEST_LOG_STRETCH).exp() * from_sides / 2
    return torch.cat([middle - reach, middle + reach], 1)


def match_boxes(
    boxes: Tensor, objects: Tensor, *, high: float, low: float, best_too: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the object of each box.

    Args:
        boxes: anchors or proposals (P, 4).
        objects: boxes of the objects (M, 4); M may be 0.
        high: IoU from which a box belongs to an object.
        low: IoU below which a box belongs to the background; a box between the two is ignored.
        best_too: whether the boxes that overlap an object most belong to an object, even if their IoU is below
            ``high``.

    Returns:
        The number of the object that each box overlaps most (P,), 0 where there is none; whether it belongs to it (P,);
        and whether it belongs to the background (P,).
    """
    boxes, objects = widened(boxes, objects)
    best = boxes.new_full((len(boxes),), -1.0 if len(objects) else 0.0)  # (P,)
    number = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)  # (P,)
    chosen = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)  # (P,)
    for start in range(0, len(objects), OBJECTS_AT_A_TIME):
        overlap = pairwise_iou(objects[start : start + OBJECTS_AT_A_TIME], boxes)  # (chunk, P)
        if not len(boxes):
            break
        value, place = overlap.max(0)
        better = value > best
        best, number = torch.where(better, value, best), torch.where(better, place + start, number)
        if best_too:
            most = overlap.amax(1, keepdim=True)  # (chunk, 1)
            chosen |= ((overlap == most) & (most > 0)).any(0)
    positive = (best >= high) | chosen
    if not len(objects):
        positive = torch.zeros_like(chosen)
    return number, positive, (best < low) & ~positive


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (M, 4) and (P, 4): (M, P), float32, or float64 if one side is float64.

    A box that ends before it begins is empty, and overlaps nothing; the IoU of two empty boxes is 0.
    """
    dtype = torch.float64 if torch.float64 in (first.dtype, second.dtype) else torch.float32
    first, second = widened(first, second)
    width = torch.minimum(first[:, None, 2], second[:, 2]) - torch.maximum(first[:, None, 0], second[:, 0])
    height = torch.minimum(first[:, None, 3], second[:, 3]) - torch.maximum(first[:, None, 1], second[:, 1])
    shared = width.clamp_(min=0).mul_(height.clamp_(min=0))  # (M, P)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) for boxes in (first, second)]
    union = (areas[0][:, None] + areas[1]).sub_(shared)
    return shared.div_(union.clamp_(min=torch.finfo(union.dtype).tiny)).to(dtype)


def widened(*boxes: Tensor) -> tuple[Tensor, ...]:
    """Convert boxes to one type that holds their sides and areas.

    The type is float32, or float64 where one is float64 or an integer that float32 may not hold. A tensor of that type
    is returned unchanged.
    """
    small = (torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int16)
    dtype = torch.float32 if all(side.dtype in small for side in boxes) else torch.float64
    return tuple(side.to(dtype) for side in boxes)


def sample(positive: Tensor, negative: Tensor, *, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Sample boxes to learn from: at most a ``share`` of them are positive, and the rest are negative.

    Args:
        positive: (P,) bool.
        negative: (P,) bool.
        count: how many to sample.
        share: the largest share of positive ones.

    Returns:
        The numbers of the positive and of the negative boxes in the sample.
    """
    numbers = torch.where(positive)[0], torch.where(negative)[0]
    wanted = min(int(count * share), len(numbers[0]))
    drawn = []
    for candidates, most in zip(numbers, (wanted, count - wanted), strict=True):
        order = torch.randperm(len(candidates), device=candidates.device)[:most]
        drawn.append(candidates[order])
    return drawn[0], drawn[1]
