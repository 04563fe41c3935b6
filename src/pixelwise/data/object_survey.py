"""The traits of annotated objects that a detection network is planned from: how many, how large, of what shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.errors import DataError
from pixelwise.instances import Instances
from pixelwise.io.ahead import in_threads
from pixelwise.words import counted

SPREAD_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
"""The percentiles that a spread consists of."""

Spread = tuple[float, float, float, float, float, float, float]
"""Values at :data:`SPREAD_PERCENTILES`."""

_MOST_SURVEYED_PICTURES = 2000  # reading them takes seconds, and percentiles hardly change with more


@dataclass(frozen=True)
class ObjectSurvey:
    """The objects of a set of pictures, without groups.

    Args:
        images: pictures read.
        of: number of all pictures; more than ``images`` where only evenly spread ones were read.
        objects: objects found.
        per_image_max: the most objects in one picture.
        sizes: spread of the side in pixels of a square as large as the box, ``sqrt(width * height)``.
        aspects: spread of height over width of the boxes.
        overlaps: spread of the largest IoU of each box with another one of its class and picture, 0 if it is alone.
        class_objects: objects of each class.
        masks: whether there are masks, rather than boxes only.
    """

    images: int
    of: int
    objects: int
    per_image_max: int
    sizes: Spread
    aspects: Spread
    overlaps: Spread
    class_objects: tuple[int, ...]
    masks: bool


def survey_objects(
    pairs: Sequence[Pair],
    classes: int,
    *,
    pictures: int = _MOST_SURVEYED_PICTURES,
    progress: Callable[[int, int], Any] | None = None,
) -> ObjectSurvey:
    """Read the objects of pictures, in threads, and measure them.

    Args:
        pairs: pictures whose objects are annotated.
        classes: number of classes of objects.
        pictures: how many to read at most; if there are more, evenly spread ones are read.
        progress: called with (done, total) after each picture.

    Raises:
        DataError: a picture has no annotation of objects, one cannot be read, or there is no object in all of them.
    """
    for pair in pairs:
        if pair.objects is None:
            raise DataError(f"{pair.image}: no objects are annotated in this picture, only the class of its pixels")
    places = np.linspace(0, len(pairs) - 1, min(len(pairs), pictures)).round().astype(np.int64)
    chosen = [pairs[place] for place in places.tolist()]
    measured = list(in_threads(_measure, chosen, progress))
    counts = np.array([len(one.sides) for one in measured])
    if not counts.sum():
        raise DataError(
            f"none of {counted(len(chosen), 'picture')} has an object "
            f"({chosen[0].image if chosen else 'no picture'} the first), so there is nothing to learn; check that "
            "these are the annotations"
        )
    sides = np.concatenate([one.sides for one in measured])  # (objects, 2): height, width
    labels = np.concatenate([one.labels for one in measured])
    return ObjectSurvey(
        images=len(chosen),
        of=len(pairs),
        objects=len(sides),
        per_image_max=int(counts.max()),
        sizes=_spread(np.sqrt(sides.prod(1))),
        aspects=_spread(sides[:, 0] / sides[:, 1]),
        overlaps=_spread(np.concatenate([one.overlaps for one in measured])),
        class_objects=tuple(np.bincount(labels, minlength=classes).tolist()),
        masks=any(one.masks for one in measured),
    )


@dataclass(frozen=True, eq=False)
class _PictureObjects:
    sides: NDArray[np.float64]  # (N, 2): height and width of each box
    labels: NDArray[np.int64]  # (N,)
    overlaps: NDArray[np.float64]  # (N,)
    masks: bool


def _measure(pair: Pair) -> _PictureObjects:
    assert pair.objects is not None
    every: Instances = pair.objects.read()
    boxes = every.boxes.astype(np.float64)
    sides = np.stack([boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], 1)
    single = ~every.is_crowd & (sides > 0).all(1)  # a box without area has no aspect, and cannot be detected
    sides = sides[single]
    overlaps = _largest_overlaps(boxes[single], every.labels[single])
    return _PictureObjects(sides, every.labels[single], overlaps, every.masks is not None)


def _spread(values: NDArray[np.float64]) -> Spread:
    first, fifth, quarter, half, most, nearly, last = np.percentile(values, SPREAD_PERCENTILES).tolist()
    return first, fifth, quarter, half, most, nearly, last


def _largest_overlaps(boxes: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Find the largest IoU of each box (N, 4) with another one of its class: (N,), 0 if it is alone."""
    if not len(boxes):
        return np.zeros(0)
    low, high = boxes[:, :2], boxes[:, 2:]
    shared = np.ones((len(boxes),) * 2)
    for axis in (0, 1):
        inner = np.minimum.outer(high[:, axis], high[:, axis]) - np.maximum.outer(low[:, axis], low[:, axis])
        shared *= np.clip(inner, 0, None)
    areas = (high - low).prod(1)
    overlaps = shared / (areas[:, None] + areas - shared)
    overlaps[labels[:, None] != labels] = 0
    np.fill_diagonal(overlaps, 0)
    largest: NDArray[np.float64] = overlaps.max(1)
    return largest
