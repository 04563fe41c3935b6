"""Pictures with their encoded masks, decoded once as far as the memory allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.crops.budgeted import BudgetedCache
from pixelwise.data.pairs import Pair
from pixelwise.data.targets import ignoring, read_target
from pixelwise.errors import DataError
from pixelwise.io.images import read_picture
from pixelwise.io.pictures.depth import ANY_NUMBERS, Learnt
from pixelwise.types import LabelSpace, Sample

POSITIONS_PER_CLASS = 1000
"""The number of pixel positions per class that are kept for a picture."""


@dataclass(frozen=True)
class ClassPlaces:
    """The positions of the classes in one picture.

    Args:
        pixels: int64 (K,) pixels of each class.
        positions: class index -> flat pixel indices, ``row * width + column``, of up to 1,000 pixels of the class,
            evenly chosen.
    """

    pixels: NDArray[np.int64]
    positions: Mapping[int, NDArray[np.uint32]]


class PictureCache(BudgetedCache[Sample]):
    """Pictures with their encoded masks, decoded once as far as the budget allows.

    Args:
        pairs: pictures and masks; every pair needs its mask.
        label_space: what the stored values of masks mean.
        channels: channels of the pictures, as :func:`~pixelwise.io.images.read_image` takes them.
        learnt: the numbers that the network learns from, as :func:`~pixelwise.io.images.read_picture` takes them.
        budget_bytes: memory for decoded pictures and masks. The kept positions take additional memory, at most 4 kB per
            class of a picture.

    Raises:
        DataError: there are no pairs, or one has no mask; on reading an item, a file cannot be read, the sizes differ,
            or the mask holds a value without a class.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        label_space: LabelSpace,
        *,
        channels: int = 3,
        learnt: Learnt = ANY_NUMBERS,
        budget_bytes: int,
    ) -> None:
        if not pairs:
            raise DataError("there are no pictures in this split; expected at least one")
        for pair in pairs:
            if pair.mask is None and pair.objects is None:
                raise DataError(f"{pair.image}: the picture has no mask; add it, or move the picture out")
        super().__init__(len(pairs), budget_bytes)
        self.pairs = tuple(pairs)
        self.label_space = label_space
        self.channels = channels
        self.learnt = learnt
        self._places: dict[int, ClassPlaces] = {}

    def class_places(self, index: int) -> ClassPlaces:
        """Say how many pixels of each class picture ``index`` has, and where some of them are."""
        places = self._places.get(index)
        if places is None:
            mask = self[index].mask
            assert mask is not None
            places = _find_places(mask, len(self.label_space))
            self._places[index] = places
        return places

    def _warm_one(self, index: int) -> ClassPlaces:
        return self.class_places(index)

    def _make(self, index: int) -> Sample:
        pair = self.pairs[index]
        picture = read_picture(pair.image, channels=self.channels, learnt=self.learnt)
        target = read_target(pair, self.label_space)
        return Sample(picture.image, ignoring(target, picture.valid, self.label_space), pair.id)


def _find_places(mask: NDArray[np.unsignedinteger[Any]], classes: int) -> ClassPlaces:
    flat = mask.ravel()
    pixels = np.bincount(flat, minlength=classes)[:classes].astype(np.int64)
    positions = {}
    for index in np.flatnonzero(pixels).tolist():
        step = -(-int(pixels[index]) // POSITIONS_PER_CLASS)
        positions[index] = np.flatnonzero(flat == index)[::step].astype(np.uint32)
    return ClassPlaces(pixels, positions)
