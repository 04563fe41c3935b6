"""The traits of a data set from which settings are chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.data.targets import ignoring, read_target
from pixelwise.errors import DataError, NumbersError
from pixelwise.io.ahead import in_threads
from pixelwise.io.images import image_info, read_stored
from pixelwise.io.pictures.depth import family
from pixelwise.types import LabelSpace

_VALUES_PER_PICTURE = 16384  # sampled from each deep picture to find the range of values
_FEWEST_PICTURES_FOR_FLIPS = 30  # the fewest pictures that can show that up and down are alike
_SIGNIFICANT_ERRORS = 3.0  # standard errors that a mean is away from 0 by chance once in 400 times
_RANGE_PERCENTILES = (0.1, 99.9)  # percentiles of those values beyond which they are outliers


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The traits of the training pictures.

    Args:
        images: number of pictures.
        median_size: median height and median width in pixels, after EXIF rotation.
        channels: 1 where all pictures are grey, 3 where some have colour, else the number they all have.
        bits: most bits per channel.
        dtype: type of the stored numbers, as numpy names it; ``uint8`` for all up to 8 bits.
        value_range: for pictures deeper than 8 bits, stored values that hold all but 0.1% at either end.
        class_pixels: int64 (K,) pixels of each class.
        ignored_pixels: pixels without a class.
        pixels: all pixels of the pictures.
        objects: whether objects were annotated, and the classes painted from them.
        upright: whether some class lies more, or less, in the upper half of pictures, as the sky does; assumed to be
            true where there are few pictures.
    """

    images: int
    median_size: tuple[int, int]
    channels: int
    bits: int
    value_range: tuple[float, float] | None
    class_pixels: NDArray[np.int64]
    ignored_pixels: int
    pixels: int
    objects: bool = False
    upright: bool = True
    dtype: str = "uint8"


def fingerprint(
    source: DataSource,
    *,
    channels: int | None = None,
    any_type: bool = False,
    progress: Callable[[int, int], Any] | None = None,
) -> Fingerprint:
    """Measure the training pictures and their masks, reading each mask once.

    Pictures are read only where they pass 8 bits, or may have pixels without data: these are ignored.

    Args:
        source: the data set.
        channels: the number of channels that the network takes, if it is known; transparency may be one of them.
        any_type: whether pictures may hold numbers of several types, because their range is given by hand.
        progress: called with (done, total) after each pair.

    Raises:
        DataError: there is no training split, a file cannot be read, a mask holds a value without a class, or the
            pictures differ in their numbers of channels.
        NumbersError: they differ in the type of their numbers.
    """
    pairs = source.split("train")
    measured = list(in_threads(lambda pair: _measure(pair, source.label_space, channels), pairs, progress))
    sizes = np.array([one.size for one in measured])  # (images, 2)
    class_pixels = np.stack([one.class_pixels for one in measured])  # (images, K)
    pixels = int(sizes.prod(1, dtype=np.int64).sum())
    deep = [one.values for one in measured if one.values is not None]
    return Fingerprint(
        images=len(pairs),
        median_size=_whole(np.median(sizes, axis=0)),
        channels=_common_channels(measured),
        bits=max(one.bits for one in measured),
        value_range=_robust_range(np.concatenate(deep)) if deep else None,
        class_pixels=class_pixels.sum(0),
        ignored_pixels=pixels - int(class_pixels.sum()),
        pixels=pixels,
        objects=any(pair.objects is not None for pair in pairs),
        upright=_is_upright(np.stack([one.halves for one in measured])),
        dtype=_common_type(measured, any_type),
    )


@dataclass(frozen=True)
class _PictureTraits:
    path: Path
    size: tuple[int, int]
    channels: int
    bits: int
    class_pixels: NDArray[np.int64]  # (K,)
    halves: NDArray[np.float64]  # (2, K), pixels of the upper and of the lower half, over the pixels of the picture
    values: NDArray[Any] | None  # some stored values, for pictures deeper than 8 bits
    dtype: str


def _measure(pair: Pair, space: LabelSpace, channels: int | None) -> _PictureTraits:
    info = image_info(pair.image)
    stored = read_stored(pair.image) if info.bits > 8 or info.marks_gaps else None
    valid = None if stored is None else stored.valid(channels)
    class_pixels, halves = _count_pixels(pair, space, valid)
    values, dtype = None, "uint8"
    if stored is not None and info.bits > 8:
        numbers, dtype = stored.colors(channels, valid).reshape(-1), stored.pixels.dtype.name
        values = numbers[:: max(1, numbers.size // _VALUES_PER_PICTURE)].astype(np.float64)
    shares = halves / (info.size[0] * info.size[1])
    return _PictureTraits(pair.image, info.size, info.channels, info.bits, class_pixels, shares, values, dtype)


def _count_pixels(
    pair: Pair, space: LabelSpace, valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count the pixels of each class: (K,), and those of the upper and the lower half, (2, K)."""
    if pair.objects is not None and space.background is None:  # the classes of objects alone, which cannot be painted
        objects = pair.objects.read()
        below = objects.boxes[:, 1::2].mean(1) > objects.size[0] / 2
        halves: NDArray[np.float64] = np.stack(
            [np.bincount(objects.labels[half], objects.areas[half], len(space)) for half in (~below, below)]
        ).astype(np.float64)
        return halves.sum(0).astype(np.int64), halves
    mask = ignoring(read_target(pair, space), valid, space)
    middle = len(mask) // 2
    parts = np.stack(
        [
            np.bincount(rows.ravel(), minlength=len(space))[: len(space)]
            for rows in (mask[:middle], mask[middle : len(mask) - middle], mask[len(mask) - middle :])
        ]
    )
    return parts.sum(0).astype(np.int64), parts[[0, 2]].astype(np.float64)


def _is_upright(halves: NDArray[np.float64]) -> bool:
    """Whether a t-test shows that a class lies above or below more often than by chance: shares (pictures, 2, K)."""
    count = len(halves)
    if count < _FEWEST_PICTURES_FOR_FLIPS:
        return True
    differences = halves[:, 0] - halves[:, 1]  # (pictures, K)
    error = differences.std(0, ddof=1) / np.sqrt(count)
    return bool((np.abs(differences.mean(0)) > _SIGNIFICANT_ERRORS * np.maximum(error, 1e-12)).any())


def _common_channels(measured: list[_PictureTraits]) -> int:
    found = {one.channels: one.path for one in measured}
    if len(found) == 1 or found.keys() == {1, 3}:
        return max(found)
    listed = ", ".join(f"{channels} ({path})" for channels, path in sorted(found.items()))
    raise DataError(f"the pictures have different numbers of channels: {listed}; bring them to one number")


def _common_type(measured: list[_PictureTraits], any_type: bool) -> str:
    found = {one.dtype: one.path for one in measured}
    if any_type or len({family(np.dtype(name)) for name in found}) == 1:
        return next(iter(found))
    listed = ", ".join(f"{name} ({path})" for name, path in sorted(found.items()))
    raise NumbersError(
        f"the pictures hold numbers of different types: {listed}, and nothing says how these correspond; bring them to "
        "one type"
    )


def _robust_range(values: NDArray[np.float64]) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return (0.0, 1.0)
    low, high = (float(value) for value in np.percentile(values, _RANGE_PERCENTILES))
    return (low, high) if low < high else (low, low + 1.0)  # all values are equal


def _whole(size: NDArray[Any]) -> tuple[int, int]:
    return int(size[0]), int(size[1])
