"""The numbers that a job keeps of every picture: the pixels of each class, the objects, and the time it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.labelling.labelled import Labelled

ROWS_AT_A_TIME = 1024
"""The rows of labels that are counted at a time."""


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a labelled picture.

    Args:
        height: in pixels.
        width: in pixels.
        pixels: index of a class -> its pixels; classes without pixels are left out, and pixels that hold no data
            belong to none.
        objects: how many objects count by the rule of the model.
        seconds: what reading, computing and writing took.
        labels: the file of its labels, below the output folder, with forward slashes; None where it is not written.
    """

    height: int
    width: int
    pixels: Mapping[int, int]
    objects: int
    seconds: float
    labels: str | None = None

    def to_json(self) -> list[Any]:
        """Give plain JSON types."""
        pixels = [[index, count] for index, count in self.pixels.items()]
        return [self.height, self.width, pixels, self.objects, self.seconds, self.labels]

    @classmethod
    def from_json(cls, values: list[Any]) -> PictureFacts:
        """Read what :meth:`to_json` gave."""
        height, width, pixels, objects, seconds, labels = values
        return cls(height, width, dict(pixels), objects, seconds, labels)


def count_labels(labelled: Labelled) -> NDArray[np.int64]:
    """Count the pixels of each value among the labels; at least as many numbers as there are classes."""
    height, width = labelled.size
    counts = np.zeros(max(len(labelled.label_space), labelled.label_space.ignore_index + 1), np.int64)
    with labelled.labels() as labels:
        for top in range(0, height, ROWS_AT_A_TIME):
            band = labels.read(slice(top, min(top + ROWS_AT_A_TIME, height)), slice(0, width))  # (1, rows, W)
            counts += np.bincount(band.reshape(-1), minlength=len(counts))
    return counts
