"""Boundaries of labels against those of a mask: boundary F1, Boundary IoU, and errors near boundaries.

Pixels whose target is ignored are not there: they are counted nowhere, and an edge against them is no boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Size
from pixelwise.metrics.bootstrap import Floats, Summed
from pixelwise.metrics.intervals import defined_mean, ratio
from pixelwise.metrics.overlaps import boundary_width

TOLERANCE_SHARE = 0.0075
"""How far from a true boundary pixel a predicted one may lie, as a share of the picture's diagonal (Csurka 2013)."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BoundaryCounts:
    """What the boundaries of one picture add to the scores of a set; integers.

    Args:
        bands: int64 (K, 3), pixels of each class within 2% of the diagonal from another class or from the outside of
            the picture: those that are so in target and prediction, in the target, in the prediction.
        lines: int64 (K, 4), boundary pixels of each class: predicted ones near a true one, predicted ones, true ones
            near a predicted one, true ones.
        errors: int64 (2, 2), pixels and wrong pixels: in the interior, and within 2% of the diagonal from a true
            boundary.
    """

    bands: NDArray[np.int64]
    lines: NDArray[np.int64]
    errors: NDArray[np.int64]

    @property
    def class_f1(self) -> Floats:
        """Boundary F1 of each class on this picture, (K,); NaN where a class has no boundary in either.

        F1 is 2 P R / (P + R), with P the share of predicted boundary pixels near a true one and R the share of true
        ones near a predicted one; 0 where only one side has a boundary.
        """
        lines = self.lines.astype(np.float64)
        precision, recall = ratio(lines[:, 0], lines[:, 1]), ratio(lines[:, 2], lines[:, 3])
        precision, recall = np.nan_to_num(precision), np.nan_to_num(recall)
        harmonic = np.nan_to_num(ratio(2 * precision * recall, precision + recall))
        f1: Floats = np.where(lines[:, 1] + lines[:, 3] > 0, harmonic, np.nan)
        return f1


def compare_boundaries(
    target: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]], classes: int, *, ignore_index: int = 255
) -> BoundaryCounts:
    """Compare the boundaries of one picture.

    Args:
        target: (H, W) class indices and ignore values.
        labels: (H, W) class indices; not read where the target is ignored.
        classes: the number of classes K.
        ignore_index: target value of pixels that do not count.
    """
    counted = target != ignore_index
    # Classes are counted from 1, and pixels that do not count are 0.
    dtype: type[np.unsignedinteger[Any]] = np.uint8 if classes < np.iinfo(np.uint8).max else np.uint16
    true, predicted = (
        np.where(counted, np.add(one.astype(dtype), 1, dtype=dtype), dtype(0)) for one in (target, labels)
    )
    width = boundary_width(_size(true))
    inside = _far_from_edges(_size(true), width)
    near = near_other_class(true, width)
    band, predicted_band = near | ~inside, near_other_class(predicted, width) | ~inside
    bands = [
        _count(true, band & predicted_band & (true == predicted), classes),
        _count(true, band, classes),
        _count(predicted, predicted_band, classes),
    ]
    wrong = true != predicted
    errors = [[np.count_nonzero(counted & part), np.count_nonzero(wrong & part)] for part in (~near, near)]
    return BoundaryCounts(np.stack(bands, 1), _compare_lines(true, predicted, classes), np.array(errors, np.int64))


def near_other_class(labels: NDArray[Any], width: int) -> Bools:
    """Find the pixels within ``width`` pixels of another class, diagonals counting as one step.

    Args:
        labels: (H, W) uint8 or uint16, classes from 1 on; 0 is no class and near nothing.
        width: in pixels.
    """
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    # A class is alone in a window if the highest label there is the lowest; beyond the picture there is nothing.
    highest = cv2.dilate(labels, window)
    lowest = cv2.erode(np.where(labels > 0, labels, np.iinfo(labels.dtype).max), window)
    near: Bools = (labels > 0) & (highest != lowest)
    return near


def boundary_lines(labels: NDArray[Any]) -> NDArray[Any]:
    """Keep the labels (H, W) of pixels beside, above or below a pixel of another class; others become 0."""
    lines = np.zeros(labels.shape, np.bool_)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (labels[one] != labels[other]) & (labels[one] > 0) & (labels[other] > 0)
        lines[one] |= differ
        lines[other] |= differ
    return np.where(lines, labels, labels.dtype.type(0))


def boundary_iou_sums(pictures: Sequence[BoundaryCounts]) -> Summed:
    """Boundary IoU of each class from counts of the set, and their mean before them: F = 1 + K.

    Classes that have no pixel near a boundary, in target or prediction, are left out of the mean.
    """
    return Summed(np.array([one.bands.T.ravel() for one in pictures], np.float64), _boundary_iou)


def _boundary_iou(sums: Floats) -> Floats:
    both, target, predicted = np.split(sums, 3, 1)
    iou = ratio(both, target + predicted - both)
    return np.concatenate([defined_mean(iou)[:, None], iou], 1)


def boundary_f1_sums(pictures: Sequence[BoundaryCounts]) -> Summed:
    """Boundary F1: the mean over pictures of the mean over their classes; F = 1."""
    return mean_sums(defined_mean(np.array([one.class_f1 for one in pictures])))


def mean_sums(values: Floats) -> Summed:
    """The mean over the pictures on which a figure (N,) is defined, as a figure of sums."""
    defined = ~np.isnan(values)
    return Summed(np.stack([np.where(defined, values, 0), defined], 1), lambda sums: ratio(sums[:, :1], sums[:, 1:]))


def _compare_lines(true: NDArray[Any], predicted: NDArray[Any], classes: int) -> NDArray[np.int64]:
    tolerance = TOLERANCE_SHARE * float(np.hypot(*_size(true)))
    # What lies beyond the edges of the picture is no class, so that steps of the search need no limits.
    lines, predicted_lines = (np.pad(boundary_lines(one), int(tolerance)) for one in (true, predicted))
    counts = []
    for own, other in ((predicted_lines, lines), (lines, predicted_lines)):
        pixels = _count(own, own > 0, classes)
        counts += [pixels - _count_far(own, other, tolerance, classes), pixels]
    return np.stack(counts, 1).astype(np.int64)


def _count_far(lines: NDArray[Any], others: NDArray[Any], tolerance: float, classes: int) -> NDArray[np.int64]:
    """Count the pixels of lines (H, W) without a pixel of their class among others within a Euclidean distance: (K,).

    Lines are few pixels, and most have a match nearby: distances are tried from the shortest on, only for the pixels
    without a match, which takes less time than a distance transform for every class.
    """
    steps = np.arange(-int(tolerance), int(tolerance) + 1)
    squares = steps[:, None] ** 2 + steps**2
    order = np.argsort(squares, axis=None, kind="stable")[: np.count_nonzero(squares <= tolerance**2)]
    offsets = (steps[:, None] * lines.shape[1] + steps).ravel()[order]
    flat = others.ravel()
    places = np.flatnonzero(lines)
    wanted = lines.ravel()[places]
    for offset in offsets.tolist():
        left = flat[places + offset] != wanted
        places, wanted = places[left], wanted[left]
        if not len(places):
            break
    return np.bincount(wanted, minlength=classes + 1)[1:]


def _count(labels: NDArray[Any], where: Bools, classes: int) -> NDArray[np.int64]:
    """Count the pixels of each class, (K,), among those of a mask; labels begin at 1."""
    return np.bincount(labels[where], minlength=classes + 1)[1:].astype(np.int64)


def _far_from_edges(size: Size, width: int) -> Bools:
    """The pixels (H, W) more than ``width`` pixels from the outside of the picture."""
    inside = np.zeros(size, np.bool_)
    inside[width : size[0] - width, width : size[1] - width] = True
    return inside


def _size(labels: NDArray[Any]) -> Size:
    return labels.shape[0], labels.shape[1]
