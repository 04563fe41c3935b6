"""Converting labels to objects and back: the connected parts of classes, and objects painted as classes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.instances import BoxMask, Instances
from pixelwise.types import LabelSpace

Labels = NDArray[np.integer[Any]]

_FILLED_BAND_PIXELS = (
    2**20
)  # pixels of a band in which gaps are filled, so that there is never a float per pixel of the picture


def objects_of(
    labels: Labels,
    label_space: LabelSpace,
    probabilities: NDArray[np.float32] | None = None,
    *,
    min_area: int = 1,
    fill_gaps: bool = True,
) -> Instances:
    """Take the connected parts of every class as objects, without background and ignored pixels.

    Parts are connected by the sides of their pixels. A semantic network that learned from objects has learned a line of
    background between touching objects of a class (Ronneberger et al. 2015, section 3), made of the pixels of each
    object that touch the other. ``fill_gaps`` gives these pixels back: a pixel of background that touches an object,
    and has another object of the same class within two pixels, goes to the object that it touches.

    Args:
        labels: (H, W) class indices and ignore values.
        label_space: what they mean.
        probabilities: (K, H, W), where they are known; the score of an object is the mean probability of its class over
            its pixels.
        min_area: objects of fewer pixels are left out.
        fill_gaps: whether lines of background between touching objects are filled.

    Returns:
        The objects in the order of their first rows, then columns. Their labels count the classes without background.

    Raises:
        SettingError: shapes do not fit.
    """
    if labels.ndim != 2 or (probabilities is not None and probabilities.shape[1:] != labels.shape):
        found = "" if probabilities is None else f" and probabilities of {probabilities.shape}"
        raise SettingError(
            f"labels are (H, W) and probabilities (K, H, W) over them, got labels of {labels.shape}{found}"
        )
    size = (labels.shape[0], labels.shape[1])
    background = label_space.background
    free = labels == background if background is not None and fill_gaps else None
    found_objects: list[tuple[int, int, int, float, BoxMask]] = []
    for index in range(len(label_space)):
        if index == background:
            continue
        where = labels == index
        if not where.any():
            continue
        count, ids, boxes, _ = cv2.connectedComponentsWithStats(where.view(np.uint8), connectivity=4)
        if free is not None and count > 2:
            _fill_gaps(ids, free)
        number = index - (background is not None and background < index)
        for identity in range(1, count):
            mask = _cut(ids, identity, boxes[identity], size)
            if mask.area < min_area:
                continue
            score = (
                float("nan") if probabilities is None else float(probabilities[index][mask.window][mask.pixels].mean())
            )
            found_objects.append((mask.top, mask.left, number, score, mask))
    found_objects.sort(key=lambda one: one[:3])
    return Instances.of_masks(
        size,
        [mask for *_, mask in found_objects],
        [number for _, _, number, _, _ in found_objects],
        scores=None if probabilities is None else np.array([score for *_, score, _ in found_objects], np.float32),
    )


def labels_of(instances: Instances, label_space: LabelSpace) -> NDArray[np.unsignedinteger[Any]]:
    """Paint objects as classes (H, W); on top is the one with the better score, or without scores the smaller one.

    Objects of which only the box is known fill the box, rounded to the nearest edges of pixels.

    Args:
        instances: their labels count the classes without background.
        label_space: with a background, on which they are painted.

    Raises:
        SettingError: the label space has no background, or not the classes of the objects.
    """
    background = label_space.background
    if background is None or (len(instances) and instances.labels.max() > len(label_space) - 2):
        raise SettingError(
            "objects are painted as classes in a label space with a background and all their classes, got "
            f"{', '.join(label_space.names)}"
        )
    labels = np.full(instances.size, background, label_space.dtype)
    values = instances.labels + (instances.labels >= background)
    for number in np.argsort(instances.scores if instances.scores is not None else -instances.areas, kind="stable"):
        if instances.masks is not None:
            mask = instances.masks[number]
            labels[mask.window][mask.pixels] = values[number]
        else:
            left, top, right, bottom = np.rint(instances.boxes[number]).astype(int).clip(0)
            labels[top:bottom, left:right] = values[number]
    return labels


def _cut(ids: NDArray[np.int32], identity: int, box: NDArray[np.int32], size: tuple[int, int]) -> BoxMask:
    """Cut an object out of a map of ids; its box is the one from before gaps were filled."""
    left, top, width, height = (int(value) for value in box[:4])
    rows = slice(max(0, top - 1), min(size[0], top + height + 1))
    columns = slice(max(0, left - 1), min(size[1], left + width + 1))
    return BoxMask(ids[rows, columns] == identity, rows.start, columns.start, size).trimmed()


def _fill_gaps(ids: NDArray[np.int32], free: NDArray[np.bool_]) -> None:
    """Give the free pixels between two objects to the one they touch, in place; they are then no longer free."""
    rows = max(2, _FILLED_BAND_PIXELS // ids.shape[1])
    above = ids[:0]  # two rows, as they were before they were filled
    for top in range(0, len(ids), rows):
        band = slice(top, min(top + rows, len(ids)))
        seen = np.concatenate([above, ids[top : band.stop + 2]])
        given = gifts(seen)[len(above) :][: band.stop - top]
        above = ids[band.stop - 2 : band.stop].copy()
        filled = free[band] & (given > 0)
        ids[band][filled] = given[filled]
        free[band] &= ~filled


def gifts(ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """Find the object that each pixel would go to: the one it touches, where another one is within two pixels."""
    values = ids.astype(np.float64)
    wide = np.ones((5, 5), np.uint8)
    highest = cv2.dilate(values, wide)
    lowest = -cv2.dilate(np.where(ids > 0, -values, -np.inf), wide)
    beside = cv2.dilate(values, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    touched = np.where(beside > 0, beside, cv2.dilate(values, np.ones((3, 3), np.uint8)))
    return np.where((ids == 0) & (highest > lowest), touched, 0)
