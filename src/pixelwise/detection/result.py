"""The result of a detection network for a picture, and turning it into objects."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from pixelwise.instances import Instances, Size
from pixelwise.ops.object_arrays import place_objects


class Detections(NamedTuple):
    """The objects that a network found in one picture, best first; D of them."""

    boxes: Tensor
    """float (D, 4): left, top, right and bottom edge in pixels of the input."""
    labels: Tensor
    """int64 (D,): class indices without background."""
    scores: Tensor
    """float (D,): confidence 0 .. 1."""
    masks: Tensor | None
    """(D, M, M): probability of each cell of the box to belong to the object; None where only boxes are found."""

    def on(self, size: Size, seen: Size) -> Detections:
        """Scale the detections in a picture resized to ``seen`` to the picture of ``size``, height and width each."""
        if size == seen:
            return self
        down, along = size[0] / seen[0], size[1] / seen[1]
        return self._replace(boxes=self.boxes * self.boxes.new_tensor([along, down, along, down]))


def to_instances(detections: Detections, size: Size, *, threshold: float = 0.5) -> Instances:
    """Turn detections into objects with masks no larger than their boxes.

    Args:
        detections: the detections of one picture.
        size: height and width of the picture; boxes are cut to it.
        threshold: a pixel belongs to the object where its probability is greater.

    Returns:
        The objects in the order of the detections. An object is dropped if its box lies outside the picture or if no
        pixel of its mask passes the threshold.

    Raises:
        SettingError: a box is not finite.
    """
    boxes, scores = (part.detach().float().cpu().numpy() for part in (detections.boxes, detections.scores))
    masks = None if detections.masks is None else detections.masks.detach().float().cpu().numpy()
    return place_objects(boxes, detections.labels.cpu().numpy(), scores, masks, size, threshold=threshold)
