"""Drawing a picture beside its annotated and predicted objects, and which were found, missed or wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.drawing.object_overlay import overlay_objects
from pixelwise.instances import BoxMask, Instances
from pixelwise.metrics.matching import Match, match_objects
from pixelwise.scoring.example import EXAMPLE_SIDE, WRONG_COLOR, Example, pale, reduced_size
from pixelwise.scoring.pixel_drawing import FOUND_COLOR, MISSED_COLOR, paint_confidence
from pixelwise.types import Color, LabelSpace

CROWD_COLOR: Color = (130, 130, 136)
OBJECT_LEGEND = (("found", FOUND_COLOR), ("missed", MISSED_COLOR), ("wrong", WRONG_COLOR))


def draw_objects(
    id: str,
    image: NDArray[np.uint8],
    truth: Instances,
    prediction: Instances,
    label_space: LabelSpace,
    *,
    threshold: float = 0.5,
    caption: str = "",
    group: str = "",
    focus: int | None = None,
    longest: int = EXAMPLE_SIDE,
    confidence: NDArray[np.floating[Any]] | None = None,
) -> Example:
    """Draw a picture with its objects.

    Args:
        id: the name of the picture.
        image: uint8 (H, W, 3), RGB.
        truth: its annotated objects.
        prediction: the predicted objects; those with a score below the threshold are not drawn.
        label_space: classes of the objects, without background.
        threshold: the least score of a predicted object that is drawn.
        caption: figures to print below.
        group: heading that it stands under.
        focus: the class whose objects are drawn; None: those of all classes.
        longest: longer side in pixels that larger pictures are reduced to.
        confidence: (h, w), the probability of the label of each pixel, for a network that gives these.
    """
    accepted = prediction if prediction.scores is None else prediction[prediction.scores >= threshold]
    if focus is not None:
        truth, accepted = truth[truth.labels == focus], accepted[accepted.labels == focus]
    match = match_objects(truth, accepted, threshold=threshold)
    views = [image] + [
        overlay_objects(image, objects, label_space, alpha=0.55, numbers=False) for objects in (truth, accepted)
    ]
    views.append(paint_match(image, truth, accepted, match))
    picture, annotated, predicted, verdict = (_reduced(view, longest) for view in views)
    size = (picture.shape[0], picture.shape[1])
    doubts = None if confidence is None else paint_confidence(confidence, size)
    return Example(id, caption, group, picture, annotated, predicted, verdict, OBJECT_LEGEND, doubts)


def paint_match(image: NDArray[np.uint8], truth: Instances, prediction: Instances, match: Match) -> NDArray[np.uint8]:
    """Paint the outcome of each object over a picture in grey, uint8 (H, W, 3).

    Predictions that match an object are outlined in green, predictions that match none are red, and missed objects are
    blue. Crowds and predictions inside them are grey, because they do not count.

    Args:
        image: uint8 (H, W, 3), RGB.
        truth: the annotated objects.
        prediction: the predicted objects.
        match: the match of the two.
    """
    painted = pale(image, 0.4)
    line = max(1, round(1.4 * max(image.shape[:2]) / EXAMPLE_SIDE))
    crowds = np.flatnonzero(truth.is_crowd)
    for color, strength, objects, numbers in (
        (CROWD_COLOR, 0.35, truth, crowds),
        (CROWD_COLOR, 0.15, prediction, match.ignored),
        (MISSED_COLOR, 0.5, truth, match.missed),
        (WRONG_COLOR, 0.5, prediction, match.wrong),
        (FOUND_COLOR, 0.25, prediction, match.found[:, 1]),
    ):
        for mask in _masks(objects, numbers):
            _paint(painted, mask, color, strength, line)
    return painted


def _masks(objects: Instances, numbers: NDArray[np.int64]) -> Iterable[BoxMask]:
    for number in numbers.tolist():
        if objects.masks is not None:
            yield objects.masks[number]
            continue
        left, top, right, bottom = np.rint(objects.boxes[number]).astype(int).tolist()
        height, width = objects.size
        top, left = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
        sides = max(1, min(bottom, height) - top), max(1, min(right, width) - left)
        yield BoxMask(np.ones(sides, np.bool_), top, left, objects.size)


def _paint(painted: NDArray[np.uint8], mask: BoxMask, color: Color, strength: float, line: int) -> None:
    """Blend a mask into a picture, and draw its outline inside of it."""
    if not mask.pixels.size:
        return
    inside = cv2.erode(np.pad(mask.pixels, line).view(np.uint8), np.ones((2 * line + 1,) * 2, np.uint8))
    edge = mask.pixels & ~inside[line:-line, line:-line].view(np.bool_)
    window = painted[mask.window]
    window[mask.pixels] = np.rint(window[mask.pixels] * (1 - strength) + np.array(color) * strength).astype(np.uint8)
    window[edge] = color


def _reduced(view: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    size = reduced_size((view.shape[0], view.shape[1]), longest)
    return view if size is None else np.asarray(cv2.resize(view, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
