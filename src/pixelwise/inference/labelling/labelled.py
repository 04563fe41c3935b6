"""The labels and objects of a picture in one form, whether the labels are in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.drawing.preview import paint_preview
from pixelwise.inference.labelling.records import object_records
from pixelwise.inference.labelling.regions import RegionFinder
from pixelwise.inference.pictures import as_rgb
from pixelwise.inference.prediction import Prediction
from pixelwise.inference.raster import RasterResult
from pixelwise.instances import Instances, ObjectRule, Size
from pixelwise.io.pictures.depth import Learnt
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.opening import RasterSource, Watch, open_source, read_uint8
from pixelwise.io.shapes.records import ObjectRecord
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

DRAWN_PIXELS = 2**24
"""Rasters of up to this many pixels are drawn like pictures in memory; larger rasters are drawn as a small preview."""


class Labelled(Protocol):
    """The labels and the objects of one picture."""

    label_space: LabelSpace
    rule: ObjectRule
    """What counts as an object."""

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        ...

    @property
    def accepted(self) -> Instances | None:
        """The objects that the network found and that count; None for a network that gives every pixel a class."""
        ...

    @property
    def probabilities(self) -> NDArray[np.float32] | None:
        """The softmax (K, H, W), if it was kept."""
        ...

    @property
    def labels_file(self) -> Path | None:
        """The file that already holds the labels, if there is one."""
        ...

    def labels(self) -> AbstractContextManager[RasterSource]:
        """Open the labels, one channel of class indices."""
        ...

    def records(self) -> Iterator[ObjectRecord]:
        """Give the objects in the form that files list them, including those of low scores."""
        ...

    def count_objects(self) -> int:
        """Count the objects that the rule accepts."""
        ...

    def overlay(self, *, numbers: bool) -> NDArray[np.uint8]:
        """Paint the result over the picture, (h, w, 3); objects have numbers if a file lists them."""
        ...

    def save_labels(self, path: Path) -> None:
        """Write the labels as an index PNG."""
        ...


class LabelledInMemory:
    """A :class:`Labelled` picture whose labels are a prediction in memory.

    Args:
        prediction: with its picture, for the overlay.
        georeference: where the picture lies on the Earth, if that is known.
    """

    labels_file: Path | None = None

    def __init__(self, prediction: Prediction, georeference: Georeference | None = None) -> None:
        self._prediction, self._georeference = prediction, georeference
        self.label_space, self.rule, self.size = prediction.label_space, prediction.rule, prediction.size

    @property
    def accepted(self) -> Instances | None:
        """See :class:`Labelled`."""
        return None if self._prediction.instances is None else self._prediction.accepted

    @property
    def probabilities(self) -> NDArray[np.float32] | None:
        """See :class:`Labelled`."""
        return self._prediction.probabilities

    def labels(self) -> AbstractContextManager[RasterSource]:
        """See :class:`Labelled`."""
        source = open_source(self._prediction.labels, indices=True)
        source.georeference = self._georeference
        return nullcontext(source)

    def records(self) -> Iterator[ObjectRecord]:
        """See :class:`Labelled`."""
        return object_records(self._prediction.objects())

    def count_objects(self) -> int:
        """See :class:`Labelled`."""
        return len(self._prediction.accepted)

    def overlay(self, *, numbers: bool) -> NDArray[np.uint8]:
        """See :class:`Labelled`."""
        return self._prediction.overlay(objects=True if numbers else None)

    def save_labels(self, path: Path) -> None:
        """See :class:`Labelled`."""
        self._prediction.save(path)


class LabelledOnDisk:
    """A :class:`Labelled` raster whose labels are a file; memory does not grow with the raster.

    Args:
        picture: the raster.
        labels_file: the file of its labels.
        result: how it was labelled.
        label_space: what the labels mean.
        preprocessing: how pictures are converted for the network.
        rule: what counts as an object.
    """

    probabilities = None

    def __init__(
        self,
        picture: Path,
        labels_file: Path,
        result: RasterResult,
        *,
        label_space: LabelSpace,
        preprocessing: Preprocessing,
        rule: ObjectRule,
    ) -> None:
        self._picture, self._result, self._preprocessing = picture, result, preprocessing
        self._watch = Watch(picture)
        self.labels_file: Path | None = labels_file
        self._file = labels_file
        self.label_space, self.rule, self.size = label_space, rule, result.plan.size

    @property
    def accepted(self) -> Instances | None:
        """See :class:`Labelled`."""
        return None if self._result.instances is None else self._drawable(None).accepted

    def labels(self) -> AbstractContextManager[RasterSource]:
        """See :class:`Labelled`."""
        return open_source(self._file, indices=True)

    def records(self) -> Iterator[ObjectRecord]:
        """See :class:`Labelled`."""
        if self._result.instances is not None:
            yield from object_records(self._drawable(None).objects())
        else:
            with self.labels() as labels:
                yield from RegionFinder(labels, self.label_space, min_area=self.rule.min_area).records()

    def count_objects(self) -> int:
        """See :class:`Labelled`."""
        if (accepted := self.accepted) is not None:
            return len(accepted)
        with self.labels() as labels:
            return len(RegionFinder(labels, self.label_space, min_area=self.rule.min_area).order)

    def overlay(self, *, numbers: bool) -> NDArray[np.uint8]:
        """See :class:`Labelled`; rasters larger than :data:`DRAWN_PIXELS` are reduced and show only classes."""
        with open_source(self._picture) as source, self.labels() as labels:
            if self.size[0] * self.size[1] > DRAWN_PIXELS:
                painted = paint_preview(source, labels, self.label_space, self._preprocessing)
                self._watch.check()  # the picture that is drawn must be the one that was labelled
                return painted
            channels = self._preprocessing.channels
            value_range = Learnt.of(self._preprocessing).range_for(source.dtype, name=source.name)
            whole = (slice(0, self.size[0]), slice(0, self.size[1]))
            image = as_rgb(read_uint8(source, *whole, channels=channels, value_range=value_range))
            indices = labels.read(*whole)[0].astype(self.label_space.dtype)
        self._watch.check()
        return self._drawable(image, indices).overlay(objects=True if numbers else None)

    def save_labels(self, path: Path) -> None:
        """Write nothing: the labels are a file already."""

    def _drawable(self, image: NDArray[np.uint8] | None, indices: NDArray[Any] | None = None) -> Prediction:
        found = self._result.instances
        return Prediction(
            indices if found is None else None, self.label_space, image=image, instances=found, rule=self.rule
        )
