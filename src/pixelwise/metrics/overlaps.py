"""The overlaps of objects of one picture: of masks, of boxes and of outlines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.instances import BoxMask, Instances, Size

BOUNDARY_SHARE = 0.02
"""Width of an outline as a share of the picture's diagonal (Cheng et al. 2021, for COCO)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Pairs of a prediction and an annotation of the same class whose pixels or boxes overlap; other pairs have IoU 0.

    The IoU with a crowd is the share of the prediction that lies in the crowd, as in COCO.

    Args:
        pairs: int64 (P, 2), numbers of the prediction and of the annotation.
        box: (P,) IoU of the boxes.
        mask: (P,) IoU of the masks; None where one side has boxes only.
        boundary: (P,) the smaller of the IoU of the masks and that of their outlines; for crowds, the IoU of the masks.
            None where ``mask`` is None.
    """

    pairs: NDArray[np.int64]
    box: Floats
    mask: Floats | None
    boundary: Floats | None


def overlaps(truth: Instances, prediction: Instances) -> Overlaps:
    """Compare every prediction with the annotations of its class, using only the pixels in their boxes.

    Raises:
        SettingError: the two are not of one picture.
    """
    if tuple(truth.size) != tuple(prediction.size):
        raise SettingError(f"objects of a picture of {truth.size} were compared with a prediction of {prediction.size}")
    masks = has_masks(truth) and has_masks(prediction)
    boxes, frames = _boxes(prediction), _boxes(truth)
    near = _intersections(boxes, frames) > 0  # (M, N)
    if masks:
        near |= _intersections(_windows(prediction), _windows(truth)) > 0
    near &= prediction.labels[:, None] == truth.labels
    pairs = np.argwhere(near).astype(np.int64)  # (P, 2)
    crowd = truth.is_crowd[pairs[:, 1]]
    shared = _intersections(boxes, frames)[near]
    box = _iou(shared, _box_areas(boxes)[pairs[:, 0]], _box_areas(frames)[pairs[:, 1]], crowd)
    if not masks:
        return Overlaps(pairs, box, None, None)
    mask = _mask_iou(prediction.masks or (), truth.masks or (), pairs, crowd)
    width = boundary_width(truth.size)
    # Outlines are computed for objects that overlap another; others have IoU 0 whatever their outlines.
    predicted, true = (
        {number: boundary(objects[number], width) for number in set(pairs[:, side].tolist())}
        for side, objects in enumerate((prediction.masks or (), truth.masks or ()))
    )
    outline = _mask_iou(predicted, true, pairs, crowd)
    return Overlaps(pairs, box, mask, np.where(crowd, mask, np.minimum(mask, outline)))


def has_masks(objects: Instances) -> bool:
    """Whether the pixels of all objects are known, which is true if there are no objects."""
    return objects.masks is not None or not len(objects)


def boundary_width(size: Size, *, share: float = BOUNDARY_SHARE) -> int:
    """The width in pixels of the outlines of Boundary IoU on a picture: a share of its diagonal, at least 1."""
    return max(1, round(share * float(np.hypot(*size))))


def boundary(mask: BoxMask, width: int) -> BoxMask:
    """Keep the pixels of a mask that lie within ``width`` pixels of its outside, diagonals counting as one step.

    Everything beyond the picture is outside. Eroding ``width`` times by 3x3 and removing the rest gives the same
    result.
    """
    if 0 in mask.pixels.shape:
        return mask
    padded = np.zeros((mask.pixels.shape[0] + 2, mask.pixels.shape[1] + 2), np.uint8)
    padded[1:-1, 1:-1] = mask.pixels
    depth = cv2.distanceTransform(padded, cv2.DIST_C, 3)[1:-1, 1:-1]
    return BoxMask(mask.pixels & (depth <= width), mask.top, mask.left, mask.size)


def _mask_iou(
    predicted: dict[int, BoxMask] | tuple[BoxMask, ...],
    true: dict[int, BoxMask] | tuple[BoxMask, ...],
    pairs: NDArray[np.int64],
    crowd: NDArray[np.bool_],
) -> Floats:
    areas = [
        {number: objects[number].area for number in set(pairs[:, side].tolist())}
        for side, objects in enumerate((predicted, true))
    ]
    numbers = pairs.tolist()
    shared = np.array([predicted[left].overlap(true[right]) for left, right in numbers], np.float64)
    own = np.array([areas[0][number] for number, _ in numbers], np.float64)
    return _iou(shared, own, np.array([areas[1][number] for _, number in numbers], np.float64), crowd)


def _iou(shared: Floats, predicted: Floats, true: Floats, crowd: NDArray[np.bool_]) -> Floats:
    union = np.where(crowd, predicted, predicted + true - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _boxes(objects: Instances) -> Floats:
    return objects.boxes.astype(np.float64)


def _windows(objects: Instances) -> Floats:
    """Boxes (N, 4) of the stored pixels of each mask; they may be larger than the object."""
    corners = [
        (mask.left, mask.top, mask.left + mask.pixels.shape[1], mask.top + mask.pixels.shape[0])
        for mask in objects.masks or ()
    ]
    return np.array(corners, np.float64).reshape(-1, 4)


def _box_areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return areas


def _intersections(boxes: Floats, others: Floats) -> Floats:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])  # (M, N, 2)
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Floats = (high - low).clip(min=0).prod(2)  # (M, N)
    return shared
