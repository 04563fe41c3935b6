"""Decoded pictures kept in memory, within a budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.survey import in_threads
from pixelwise.data.targets import read_target
from pixelwise.errors import DataError
from pixelwise.io.images import read_image
from pixelwise.types import LabelSpace, Sample

POSITIONS_A_CLASS = 1000
"""How many pixel positions of each class are remembered for a picture."""


@dataclass(frozen=True)
class ClassPlaces:
    """Where the classes of one picture are.

    Args:
        pixels: int64 (K,) pixels of each class.
        positions: class index -> flat pixel indices, ``row * width + column``, of up to 1,000 pixels of the class,
            evenly chosen.
    """

    pixels: NDArray[np.int64]
    positions: Mapping[int, NDArray[np.uint32]]


class PictureCache:
    """Pictures with their encoded masks, decoded once as far as the budget allows.

    What is decoded first stays; what no longer fits is decoded again each time. (Training goes through the pictures
    in ever new orders; throwing out the least recently used would then throw out what is wanted next.) Items may be
    asked for from several threads. A data worker that is forked after :meth:`warm` shares the memory; pictures
    decoded later belong to their process alone, each with the whole budget.

    Args:
        pairs: pictures and masks; every pair needs its mask.
        label_space: what the stored values of masks mean.
        channels: channels of the pictures, as :func:`~pixelwise.io.images.read_image` takes them.
        value_range: stored values that become 0 and 255, for pictures deeper than 8 bits.
        budget_bytes: memory for decoded pictures and masks. The remembered positions come on top, at most 4 kB for
            each class of a picture.

    Raises:
        DataError: there are no pairs, or one has no mask.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        label_space: LabelSpace,
        *,
        channels: int = 3,
        value_range: tuple[float, float] | None = None,
        budget_bytes: int,
    ) -> None:
        if not pairs:
            raise DataError("there are no pictures in this split; expected at least one")
        for pair in pairs:
            if pair.mask is None and pair.objects is None:
                raise DataError(f"{pair.image}: the picture has no mask; add it, or move the picture out")
        self.pairs = tuple(pairs)
        self.label_space = label_space
        self.channels = channels
        self.value_range = value_range
        self.budget_bytes = budget_bytes
        self._samples: dict[int, Sample] = {}
        self._places: dict[int, ClassPlaces] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        """Give picture ``index`` with its mask.

        Raises:
            DataError: a file cannot be read, the sizes differ, or the mask holds a value without a class.
        """
        sample = self._samples.get(index)
        if sample is None:
            sample = self._read(index)
            self._keep(index, sample)
        return sample

    @property
    def kept(self) -> int:
        """How many pictures are in memory."""
        return len(self._samples)

    def warm(self, progress: Callable[[int, int], Any] | None = None) -> None:
        """Decode ahead in threads: every picture that fits, and the positions of the classes in all.

        Args:
            progress: called with (done, total) after each picture.
        """
        for _ in in_threads(self.class_places, range(len(self)), progress):
            pass

    def class_places(self, index: int) -> ClassPlaces:
        """Say how many pixels of each class picture ``index`` has, and where some of them are."""
        places = self._places.get(index)
        if places is None:
            mask = self[index].mask
            assert mask is not None
            places = _find_places(mask, len(self.label_space))
            with self._lock:
                self._places[index] = places
        return places

    def __getstate__(self) -> dict[str, Any]:
        # A data worker that is spawned rather than forked decodes for itself: a copy would cost as much to send.
        state = dict(self.__dict__)
        del state["_lock"]
        return state | {"_samples": {}, "_bytes": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _read(self, index: int) -> Sample:
        pair = self.pairs[index]
        image = read_image(pair.image, channels=self.channels, value_range=self.value_range)
        return Sample(image, read_target(pair, self.label_space), pair.id)

    def _keep(self, index: int, sample: Sample) -> None:
        assert sample.mask is not None
        needed = sample.image.nbytes + sample.mask.nbytes
        with self._lock:
            if index not in self._samples and self._bytes + needed <= self.budget_bytes:
                self._samples[index] = sample
                self._bytes += needed


def _find_places(mask: NDArray[np.unsignedinteger[Any]], classes: int) -> ClassPlaces:
    flat = mask.ravel()
    pixels = np.bincount(flat, minlength=classes)[:classes].astype(np.int64)
    positions = {}
    for index in np.flatnonzero(pixels).tolist():
        step = -(-int(pixels[index]) // POSITIONS_A_CLASS)
        positions[index] = np.flatnonzero(flat == index)[::step].astype(np.uint32)
    return ClassPlaces(pixels, positions)
