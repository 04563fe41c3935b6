"""Where a trained model doubts an annotation: classes exchanged, objects forgotten, objects that are not there.

A model that has learnt from a data set still disagrees with masks that were drawn wrongly, because the rest of the set
taught it otherwise. Disagreement along borders means little, because people draw borders differently each time; what
counts is confident disagreement inside of regions (the idea of confident learning, Northcutt, Jiang and Chuang 2021).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.data.targets import read_target
from pixelwise.errors import DataError
from pixelwise.inference.predictor import Predictor
from pixelwise.instances import BoxMask, Instances
from pixelwise.listener import Listener, Silent
from pixelwise.types import LabelSpace

DoubtKind = Literal["class", "missing", "unseen"]
"""The annotated class is doubted; something is seen that is not annotated; something is annotated that is not seen."""

LEAST_PIXELS = 200
"""Regions of fewer pixels are not looked at: a model is unsure of them with any annotation."""
BORDER_PIXELS = 3
"""What lies so near to the border of a region does not count, unless nothing else is left of it."""
MATCHING_IOU = 0.5
"""Objects that overlap by this much are the same one."""


@dataclass(frozen=True)
class Doubt:
    """An annotation that a model doubts.

    Args:
        id: the picture's path relative to its data set.
        kind: what is doubted.
        score: how much, from 0 to 1. For regions it is the mean, over the pixels away from the border, of how far the
            probability of the most likely class is above that of the annotated one; for objects, the score of what was
            predicted, or 1 less the best overlap.
        pixels: how many pixels it is about.
        box: left, top, right and bottom edge in pixels.
        annotated: name of the annotated class; empty where nothing is annotated.
        predicted: name of the class that the model sees; empty where it sees nothing.
    """

    id: str
    kind: DoubtKind
    score: float
    pixels: int
    box: tuple[int, int, int, int]
    annotated: str = ""
    predicted: str = ""

    @property
    def line(self) -> str:
        """What is doubted, in a line."""
        left, top, right, bottom = self.box
        place = f"{self.id}, columns {left} to {right}, rows {top} to {bottom}"
        if self.kind == "class":
            what = f"annotated as {self.annotated}, looks like {self.predicted}"
        elif self.kind == "missing":
            what = f"looks like {self.predicted}, which is not annotated"
        else:
            what = f"annotated as {self.annotated}, where the model sees nothing of it"
        return f"{place}: {what} ({self.score:.2f})"


@dataclass(frozen=True)
class Doubts:
    """All doubts about a data set.

    Args:
        found: the strongest first.
        regions: how many annotated regions or objects were looked at.
        pictures: id -> how much the annotation of the picture is doubted, the most doubted first: the mean over its
            annotated pixels, or over its objects.
    """

    found: tuple[Doubt, ...]
    regions: int
    pictures: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Describe them in plain JSON types."""
        doubts = [
            {
                "file": one.id,
                "kind": one.kind,
                "score": one.score,
                "pixels": one.pixels,
                "box": list(one.box),
                "annotated": one.annotated,
                "predicted": one.predicted,
            }
            for one in self.found
        ]
        return {"doubts": doubts, "regions": self.regions, "pictures": self.pictures}


def find_doubts(predictor: Predictor, source: DataSource, *, listener: Listener | None = None) -> Doubts:
    """Hold the annotation of every picture against what a model predicts.

    Args:
        predictor: the model; it says most of pictures that it was not trained on.
        source: pictures with masks or objects, opened with the label space of the model.
        listener: told how far the work is.

    Raises:
        DataError: a picture cannot be read, or its objects are boxes alone.
    """
    listener = Silent() if listener is None else listener
    pairs = {pair.id: pair for pair in source.pairs}
    found: list[Doubt] = []
    pictures: dict[str, float] = {}
    regions = 0
    space = source.semantic().label_space
    with listener.progress("comparing annotations with predictions", len(pairs)) as progress:
        for done, pair in enumerate(pairs.values(), 1):
            if predictor.finds_objects:
                doubts, looked_at, whole = _doubt_objects(predictor, pair, source.label_space)
            else:
                doubts, looked_at, whole = _doubt_pixels(predictor, pair, space)
            found += doubts
            regions += looked_at
            pictures[pair.id] = whole
            progress(done, len(pairs))
    found.sort(key=lambda one: -one.score)
    ranked = dict(sorted(pictures.items(), key=lambda item: -item[1]))
    return Doubts(tuple(found), regions, ranked)


def _doubt_pixels(predictor: Predictor, pair: Pair, space: LabelSpace) -> tuple[list[Doubt], int, float]:
    target = read_target(pair, space).astype(np.int64)
    prediction = predictor(pair.image, probabilities=True)
    assert prediction.probabilities is not None
    labels = prediction.probabilities.argmax(0)
    known = target != space.ignore_index
    clipped = np.where(known, target, 0)
    seen = np.take_along_axis(prediction.probabilities, clipped[None], 0)[0]
    doubt = np.where(known, prediction.probabilities.max(0) - seen, 0)  # (H, W), 0 where both agree
    found = []
    annotated = list(regions_of(np.where(known, target, -1)))
    for region in annotated:
        window, inside = region.window, interior(region)
        score = float(doubt[window][inside].mean())
        votes = np.bincount(labels[window][inside], minlength=len(space))
        label, seen_label = int(target[window][region.pixels][0]), int(votes.argmax())
        if seen_label != label:
            names = {"annotated": space.names[label], "predicted": space.names[seen_label]}
            found.append(Doubt(pair.id, "class", score, region.area, region.box, **names))
    whole = {(one.box, one.predicted) for one in found}
    for region in regions_of(np.where(known & (labels != target), labels, -1)):
        window, inside = region.window, interior(region)
        around = np.bincount(clipped[window][region.pixels], minlength=len(space))
        name, under = space.names[int(labels[window][region.pixels][0])], space.names[int(around.argmax())]
        if not any(_holds(box, region.box) and predicted == name for box, predicted in whole):
            score = float(doubt[window][inside].mean())
            found.append(Doubt(pair.id, "missing", score, region.area, region.box, under, name))
    return found, len(annotated), float(doubt.sum() / max(1, np.count_nonzero(known)))


def regions_of(labels: NDArray[np.int64]) -> Iterator[BoxMask]:
    """Give the connected regions (8 neighbours) of equal labels with at least :data:`LEAST_PIXELS` pixels.

    Args:
        labels: (H, W); -1 belongs to no region.
    """
    for label in np.unique(labels[labels >= 0]).tolist():
        count, numbers, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=8)
        for number in range(1, count):
            left, top, width, height, area = stats[number].tolist()
            if area >= LEAST_PIXELS:
                pixels = numbers[top : top + height, left : left + width] == number
                yield BoxMask(pixels, top, left, (labels.shape[0], labels.shape[1]))


def interior(region: BoxMask) -> NDArray[np.bool_]:
    """The pixels of a region away from its border, bool (h, w) in its box; all of them where none is."""
    padded = np.pad(region.pixels, 1).astype(np.uint8)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] > BORDER_PIXELS
    return np.asarray(inside if inside.any() else region.pixels, np.bool_)


def _holds(outer: Sequence[int], inner: Sequence[int]) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _doubt_objects(predictor: Predictor, pair: Pair, space: LabelSpace) -> tuple[list[Doubt], int, float]:
    if pair.objects is None:
        raise DataError(f"{pair.image}: the model finds objects, but a mask of classes is annotated")
    truth = pair.objects.read()
    truth = truth[~truth.is_crowd]
    found = predictor(pair.image).instances
    assert found is not None
    assert found.scores is not None
    found = found[found.scores >= predictor.rule.score]
    if truth.masks is None or found.masks is None:
        raise DataError(f"{pair.image}: its objects are boxes alone; doubts are found by masks")
    overlaps = _overlaps(truth, found)
    names = [name for index, name in enumerate(space.names) if index != space.background]
    doubts: list[Doubt] = []
    best = overlaps.max(1, initial=0)
    for number, mask in enumerate(truth.masks):
        name = names[truth.labels[number]]
        if best[number] < MATCHING_IOU:
            score = float(1 - best[number])
            doubts.append(Doubt(pair.id, "unseen", score, mask.area, mask.box, annotated=name))
            continue
        other = int(overlaps[number].argmax())
        if found.labels[other] != truth.labels[number]:
            seen = names[found.labels[other]]
            assert found.scores is not None
            doubts.append(Doubt(pair.id, "class", float(found.scores[other]), mask.area, mask.box, name, seen))
    assert found.scores is not None
    for number, mask in enumerate(found.masks):
        if overlaps[:, number].max(initial=0) < MATCHING_IOU:
            name = names[found.labels[number]]
            doubts.append(Doubt(pair.id, "missing", float(found.scores[number]), mask.area, mask.box, predicted=name))
    return doubts, len(truth.masks), sum(one.score for one in doubts) / max(1, len(truth.masks))


def _overlaps(truth: Instances, found: Instances) -> NDArray[np.float64]:
    """Intersection over union of all annotated masks with all predicted ones: (annotated, predicted)."""
    assert truth.masks is not None
    assert found.masks is not None
    areas = [mask.area for mask in found.masks]
    table = np.zeros((len(truth.masks), len(found.masks)))
    for row, mask in enumerate(truth.masks):
        for column, other in enumerate(found.masks):
            shared = mask.overlap(other)
            if shared:
                table[row, column] = shared / (mask.area + areas[column] - shared)
    return table
