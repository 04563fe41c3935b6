"""The class of every pixel of a picture, whether classes or objects are annotated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.errors import DataError
from pixelwise.instances import Instances
from pixelwise.io.masks import NOT_ANNOTATED, read_mask_and_gaps
from pixelwise.types import LabelArray, LabelSpace
from pixelwise.types import semantic_space as semantic_space

_NEIGHBOUR_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # with their opposites, all eight


def read_target(pair: Pair, label_space: LabelSpace) -> LabelArray:
    """Read the class of every pixel of a picture.

    Args:
        pair: a picture with its mask or its objects.
        label_space: what the stored values of masks mean; for objects, their classes and a background.

    Returns:
        (H, W) class indices and the ignore value.

    Raises:
        DataError: the picture has no annotation, or it cannot be read.
    """
    if pair.objects is not None:
        return paint_classes(pair.objects.read(), label_space)
    if pair.mask is None:
        raise DataError(f"{pair.image}: the picture has no mask; add it, or move the picture out")
    stored, gaps = read_mask_and_gaps(pair.mask)
    if gaps:  # which the label space of a model need not know, where it learnt from masks without any
        label_space = label_space.with_void(NOT_ANNOTATED)
    return label_space.encode(stored, source=str(pair.mask))


def ignoring(target: LabelArray, valid: NDArray[np.bool_] | None, label_space: LabelSpace) -> LabelArray:
    """Give a target (H, W) in which pixels are ignored where the picture holds no data.

    Args:
        target: class indices and ignore values.
        valid: (H, W) where the picture holds data; None where all of it does. Where its size differs from that of the
            target, the target is given back as it is, for others to refuse.
        label_space: gives the ignore value.
    """
    if valid is None or valid.shape != target.shape:
        return target
    return np.where(valid, target, target.dtype.type(label_space.ignore_index))


def paint_classes(instances: Instances, label_space: LabelSpace) -> LabelArray:
    """Paint objects as classes, with a line of background between those of one class that touch.

    The connected parts of a class are then its objects again, which is how a semantic network finds objects
    (Ronneberger et al. 2015, section 3). Each of two touching objects loses the pixels that touch the other, unless it
    has no other pixels. Where objects overlap, the smaller one is in front. Groups are ignored, because their objects
    are not known.

    Args:
        instances: the objects, with masks.
        label_space: the background, and the classes of the objects in their order.

    Returns:
        (H, W) class indices, and the ignore value in groups.

    Raises:
        DataError: the objects have boxes only, or there is no background to paint them on.
    """
    if label_space.background is None:
        raise DataError("objects can only be painted in a label space with a background")
    crowd = instances.is_crowd
    ids = instances[~crowd].id_map()
    classes = instances.labels[~crowd]
    values = np.concatenate([[label_space.background], classes + (classes >= label_space.background)])
    ids[touching(ids, values)] = 0
    painted = values.astype(label_space.dtype)[ids]  # (H, W)
    for mask in instances[crowd].masks or ():
        window = painted[mask.window]
        window[mask.pixels & (window == label_space.background)] = label_space.ignore_index
    return painted


def touching(ids: NDArray[np.int32], classes: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the pixels of objects that have a pixel of another object of their class among their eight neighbours.

    Args:
        ids: (H, W), 0 is background.
        classes: class of each id, that of the background first.

    Returns:
        (H, W); objects that would lose all their pixels are left out.
    """
    found = np.zeros(ids.shape, np.bool_)
    for down, right in _NEIGHBOUR_STEPS:
        here, there = _pair(ids, down, right)
        meet = (here != there) & (here > 0) & (there > 0)
        rows, columns = np.nonzero(meet)
        same = classes[here[rows, columns]] == classes[there[rows, columns]]
        rows, columns = rows[same], columns[same]
        here_found, there_found = _pair(found, down, right)
        here_found[rows, columns] = True
        there_found[rows, columns] = True
    lost = np.bincount(ids[found], minlength=len(classes))
    whole = np.bincount(ids.ravel(), minlength=len(classes))
    found &= (lost < whole)[ids]
    return found


def _pair(values: NDArray[Any], down: int, right: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give views of all pixels that have a neighbour in a direction, and of these neighbours."""
    height, width = values.shape
    here = values[: height - down, max(0, -right) : width - max(0, right)]
    there = values[down:, max(0, right) : width - max(0, -right)]
    return here, there
