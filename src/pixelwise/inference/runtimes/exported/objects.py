"""The runtime that finds objects with an exported file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.base import ObjectRuntime
from pixelwise.inference.runtimes.exported.file import IMAGE, ExportedFile, batch
from pixelwise.inference.runtimes.exported.object_description import parse_object_description
from pixelwise.instances import Instances
from pixelwise.ops.object_arrays import place_objects

BOXES, CLASSES, SCORES, MASKS = "boxes", "labels", "scores", "masks"
"""The names of the outputs of the graph: (N, 4), (N,), (N,), (N, M, M)."""

LEAST_SCORE = "score"
"""The name of the constant (1,) that scores of objects must reach."""

RESIZED, SEEN_BOXES = "resized", "seen_boxes"
"""The names of tensors in the graph of a network that resizes pictures: the picture as float32 (1, h, w, C) on the
scale 0 .. 255, and the boxes on it."""


class ExportedObjectRuntime(ObjectRuntime):
    """Finds objects in pieces of pictures with an exported file, on the CPU.

    Where the network resizes pictures, these are resized already, so that tiles are cut out of the resized picture; the
    graph is entered behind its own resizing.

    Args:
        file: the exported file.

    Raises:
        ModelError: its description or its graph makes no sense.
    """

    def __init__(self, file: ExportedFile) -> None:
        self._exported = file
        self.library, self.precision = file.engine.runtime, file.engine.precision
        try:
            described = parse_object_description(file.text)
            resized = described.card.preprocessing.resize is not None
            self._input, boxes = (RESIZED, SEEN_BOXES) if resized else (IMAGE, BOXES)
            self._mask_side = described.mask_side
            outputs = [boxes, CLASSES, SCORES, MASKS][: 3 if described.mask_side is None else 4]
            self._run = file.open([self._input], outputs)
        except ModelError as error:
            raise ModelError(f"{file.path}: {error}") from error.__cause__
        self.card = described.card
        self.bytes_per_pixel, self.bytes_more = described.bytes_per_pixel, described.bytes_more
        self.largest = described.largest

    @property
    def fingerprint(self) -> str:
        """Name, digest and precision of the file."""
        return self._exported.fingerprint(self.card.name)

    def objects(self, image: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int] | None = None) -> Instances:
        """Find the objects of an image (C, H, W), the best score first, in pixels of a picture of ``size`` if given."""
        seen = (image.shape[1], image.shape[2])
        size = seen if size is None else size
        given: NDArray[Any] = batch(image) if self._input == IMAGE else batch(image.astype(np.float32, copy=False))
        boxes, labels, scores, *masks = self._exported.run(self._run, {self._input: given})
        self._check(boxes, labels, scores, masks)
        if size != seen:
            down, along = size[0] / seen[0], size[1] / seen[1]
            boxes *= np.array([along, down] * 2, np.float32)
        return place_objects(boxes, labels, scores, masks[0] if masks else None, size)

    def _check(
        self, boxes: NDArray[Any], labels: NDArray[Any], scores: NDArray[Any], masks: list[NDArray[Any]]
    ) -> None:
        """Refuse what is not stated: other types or shapes, unknown classes, or boxes that are no numbers.

        Raises:
            ModelError: it is; the message says what.
        """
        count, side = (boxes.shape or (0,))[0], self._mask_side
        wanted = [(np.float32, (count, 4)), (np.int64, (count,)), (np.float32, (count,))]
        wanted += [] if side is None else [(np.float32, (count, side, side))]
        for part, (dtype, shape) in zip((boxes, labels, scores, *masks), wanted, strict=True):
            if part.dtype != dtype or part.shape != shape:
                raise ModelError(
                    f"{self._exported.path}: its network gives {part.dtype} {part.shape}, not the objects it states"
                )
        classes = len(self.card.label_space)
        if ((labels < 0) | (labels >= classes)).any():
            raise ModelError(f"{self._exported.path}: its network gives classes beyond the {classes} that it states")
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelError(f"{self._exported.path}: its network gives boxes or scores that are no finite numbers")
