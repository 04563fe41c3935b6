"""The result of a predictor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.inference.components import labels_of, objects_of
from pixelwise.inference.drawing.object_overlay import overlay_objects
from pixelwise.inference.drawing.overlay import paint
from pixelwise.instances import DEFAULT_RULE, Instances, ObjectRule
from pixelwise.io.masks import write_labels
from pixelwise.io.on_data import on_data, valid_in
from pixelwise.types import LabelSpace, object_space


@dataclass(frozen=True, eq=False)
class Prediction:
    """The result for one picture: a class for every pixel, or objects.

    Args:
        computed: (H, W) class indices, of the integer type of the label space; None for a network that finds objects,
            from which :attr:`labels` are painted when they are asked for.
        label_space: what the indices mean; where objects were found, their classes with a background before them.
        exact: whether this is what the network gives for the whole picture at once; False where the picture was
            computed in tiles that hold less than the network reads.
        probabilities: float32 (K, H, W), summing to 1 over the classes, where they were asked for.
        image: the picture as uint8 (H, W, 3), RGB, for the overlay.
        seam_error: how much the result depends on the tiles. For classes, it is the share of the compared pixels, at
            seams of tiles, that get another label with twice the halo. For objects, it is the share of the objects seen
            whole by several tiles on which the tiles do not agree. None where the result is exact, or there was nothing
            to compare.
        instances: all objects that the network found; None for a network that gives every pixel a class.
        valid: (H, W), False where the picture holds no data: these pixels have the ignore value among the labels, and
            objects that the network finds on them alone are left out. None where all pixels hold data.
        rule: what counts as an object. Objects of a lower score are neither painted as labels nor shown in the overlay,
            and parts of classes with fewer pixels are no objects.
        confidence: float32 (H, W), the greatest probability of each pixel, where it was asked for; NaN in rows of large
            pictures for which it was not computed.

    Raises:
        SettingError: there are neither labels nor objects, or shapes do not fit each other.
    """

    computed: NDArray[np.unsignedinteger[Any]] | None
    label_space: LabelSpace
    exact: bool = True
    probabilities: NDArray[np.float32] | None = None
    image: NDArray[np.uint8] | None = None
    seam_error: float | None = None
    instances: Instances | None = None
    rule: ObjectRule = DEFAULT_RULE
    valid: NDArray[np.bool_] | None = None
    confidence: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.computed is None and self.instances is None:
            raise SettingError("a prediction holds labels or objects; give one of them")
        if self.computed is not None and self.computed.ndim != 2:
            raise SettingError(f"labels are (H, W), got {self.computed.shape}")
        size = self.size
        if self.instances is not None and tuple(self.instances.size) != size:
            raise SettingError(f"the objects belong to a picture of {self.instances.size}, the labels are {size}")
        if self.probabilities is not None and self.probabilities.shape != (len(self.label_space), *size):
            raise SettingError(
                f"probabilities are (K, H, W) = {(len(self.label_space), *size)}, got {self.probabilities.shape}"
            )
        if self.confidence is not None and self.confidence.shape != size:
            raise SettingError(f"the greatest probabilities are (H, W) = {size}, got {self.confidence.shape}")
        if self.valid is not None and self.valid.shape != size:
            raise SettingError(f"where the picture holds data is (H, W) = {size}, got {self.valid.shape}")
        if self.image is not None and self.image.shape != (*size, 3):
            raise SettingError(f"the picture is (H, W, 3) = {(*size, 3)}, got {self.image.shape}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        if self.computed is not None:
            return self.computed.shape[0], self.computed.shape[1]
        assert self.instances is not None
        return self.instances.size

    @cached_property
    def labels(self) -> NDArray[np.unsignedinteger[Any]]:
        """(H, W) class indices, and the ignore value where the picture holds no data.

        Those of a network that finds objects are :func:`~pixelwise.inference.components.labels_of` them.
        """
        labels = labels_of(self.accepted, self.label_space) if self.computed is None else self.computed
        if self.valid is None:
            return labels
        return np.where(self.valid, labels, labels.dtype.type(self.label_space.ignore_index))

    @property
    def accepted(self) -> Instances:
        """The objects whose score is high enough to be shown; all of them where they are parts of classes."""
        return self.objects() if self.instances is None else self.rule.accepted(self.objects())

    @property
    def object_space(self) -> LabelSpace:
        """What the labels of the objects mean: the classes without background.

        Raises:
            SettingError: there are none.
        """
        return object_space(self.label_space)

    def objects(self) -> Instances:
        """The objects that the network found, low scores included, or else the connected parts of the classes.

        See :func:`pixelwise.inference.components.objects_of`; parts have scores where probabilities were asked for.
        Objects of fewer pixels than the rule asks for are left out.
        """
        return self._objects

    def every_object(self) -> Instances:
        """The objects that :meth:`objects` gives, and those of fewer pixels."""
        if self.instances is not None:
            return self._on_data
        return objects_of(self.labels, self.label_space, self.probabilities)

    @cached_property
    def _on_data(self) -> Instances:
        assert self.instances is not None
        return self.instances if self.valid is None else self.instances[on_data(self.instances, valid_in(self.valid))]

    @cached_property
    def _objects(self) -> Instances:
        found = self.every_object()
        return found[found.areas >= self.rule.min_area] if self.rule.min_area else found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the labels as an index PNG with the palette of the classes; raises like :func:`write_labels`."""
        write_labels(path, self.labels, self.label_space)

    def overlay(self, alpha: float = 0.5, *, objects: bool | None = None) -> NDArray[np.uint8]:
        """Paint what was found over the picture: uint8 (H, W, 3).

        Args:
            alpha: how strong the colours are, from 0 (not there) to 1 (opaque).
            objects: whether to paint objects with their numbers, by
                :func:`pixelwise.inference.drawing.object_overlay.overlay_objects`, or classes, by
                :func:`pixelwise.inference.drawing.overlay.paint`; None paints what the network finds.

        Raises:
            SettingError: the prediction does not hold its picture.
        """
        if self.image is None:
            raise SettingError(
                "this prediction does not hold its picture; use pixelwise.inference.drawing.overlay.paint"
            )
        if objects if objects is not None else self.instances is not None:
            return overlay_objects(self.image, self.accepted, self.object_space, alpha=alpha)
        return paint(self.image, self.labels, self.label_space, alpha=alpha)
