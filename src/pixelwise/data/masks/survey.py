"""Counting what the masks of a data set hold, over many files at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.ahead import in_threads
from pixelwise.io.file_cache import FileCache, stamp
from pixelwise.io.masks import NOT_ANNOTATED, mask_palette, read_mask_file
from pixelwise.types import Color, StoredValue, pack_colors

MAX_COLORS = 4096
"""More colours than this in one mask are not collected: nobody annotates so many classes by colour."""


@dataclass
class Survey:
    """The values in all masks that were read.

    Args:
        pixels: stored value -> pixels that hold it.
        flat: stored value -> pixels whose right and lower neighbours hold it too; the borders that smoothing and JPEG
            make are hardly ever flat.
        first: stored value -> the first mask that holds it.
        palettes: palette index in use -> colour, where masks carry palettes.
        clash: two masks whose palettes give one index two colours, and that index.
        masks: number of masks that were read.
        by_color: whether masks hold RGB colours.
        gaps: the first mask that holds -1 or NaN, read as :data:`~pixelwise.io.masks.NOT_ANNOTATED`; or None.
        of_ones: the first mask of 0 and 1 alone that has a 1, or None.
        of_255: the first mask of 0 and 255 alone that has both, or None.
        white_is_zero: the first mask whose 0 is white and whose numbers are kept as stored, or None.
        one_and_255: whether a mask holds both 1 and 255.
    """

    pixels: dict[StoredValue, int] = field(default_factory=dict)
    flat: dict[StoredValue, int] = field(default_factory=dict)
    first: dict[StoredValue, Path] = field(default_factory=dict)
    palettes: dict[int, Color] = field(default_factory=dict)
    clash: tuple[Path, Path, int] | None = None
    masks: int = 0
    by_color: bool = False
    gaps: Path | None = None
    of_ones: Path | None = None
    of_255: Path | None = None
    white_is_zero: Path | None = None
    one_and_255: bool = False

    @property
    def mixes_two_ranges(self) -> bool:
        """Whether some masks hold 0 and 1, some 0 and 255, none both 1 and 255, and none anything else."""
        return None not in (self.of_ones, self.of_255) and set(self.pixels) == {0, 1, 255} and not self.one_and_255

    def without(self, value: int) -> Survey:
        """Give the same survey as if no pixel held a value, and no mask -1 or NaN."""
        return replace(
            self,
            pixels={held: count for held, count in self.pixels.items() if held != value},
            flat={held: count for held, count in self.flat.items() if held != value},
            first={held: path for held, path in self.first.items() if held != value},
            gaps=None,
        )


_FORM = 3  # changes whenever the same files give other counts; what was kept in another form is not read


@dataclass(frozen=True, eq=False)
class MaskCounts:
    """What one mask holds.

    Args:
        path: the mask.
        values: (V,) the numbers in it, or packed colours, rising.
        pixels: (V,) pixels that hold each.
        flat: (V,) those whose right and lower neighbours hold it too.
        by_color: whether it holds RGB colours.
        palette: the colour of each index, where it has a palette.
        gaps: whether it holds -1 or NaN.
        in_alpha: whether its transparency varies and its colours do not, or are too many for a mask.
        crowded: how many colours it holds, where these are more than :data:`MAX_COLORS` and not listed; else 0.
        white_is_zero: whether 0 is white in it and its numbers are kept as stored.
    """

    path: Path
    values: NDArray[np.int64]
    pixels: NDArray[np.int64]
    flat: NDArray[np.int64]
    by_color: bool
    palette: tuple[Color, ...] | None = None
    gaps: bool = False
    in_alpha: bool = False
    crowded: int = 0
    white_is_zero: bool = False


def survey_masks(masks: Sequence[Path]) -> Survey:
    """Read masks, in threads, and count what they hold.

    Raises:
        DataError: a mask cannot be read, or as :func:`merge`.
    """
    counts, broken = count_masks(masks)
    if broken:
        raise next(iter(broken.values()))
    return merge(counts)


def merge(masks: Sequence[MaskCounts]) -> Survey:
    """Add up the counts of masks.

    Raises:
        DataError: some hold numbers and others RGB colours, or one more colours than are listed.
    """
    survey = Survey()
    palette_from: dict[int, Path] = {}
    for counts in masks:
        if counts.crowded:
            raise DataError(
                f"{counts.path}: the mask holds {counts.crowded} colours, so its edges are smoothed, it is a JPEG, or "
                "it is a photo; export masks without smoothing, as PNG"
            )
        if survey.masks and counts.by_color != survey.by_color:
            raise DataError(
                f"{counts.path}: this mask holds {'RGB colours' if counts.by_color else 'one number per pixel'} but "
                f"{masks[0].path} does not; export all masks in one form"
            )
        survey.by_color = counts.by_color
        survey.masks += 1
        survey.white_is_zero = survey.white_is_zero or (counts.path if counts.white_is_zero else None)
        survey.gaps = survey.gaps or (counts.path if counts.gaps else None)
        if not counts.by_color:
            held = set(counts.values.tolist()) - ({NOT_ANNOTATED} if counts.gaps else set())
            survey.one_and_255 |= {1, 255} <= held
            survey.of_ones = survey.of_ones or (counts.path if held in ({0, 1}, {1}) else None)
            survey.of_255 = survey.of_255 or (counts.path if held == {0, 255} else None)
        for value, pixels, flat in zip(
            counts.values.tolist(), counts.pixels.tolist(), counts.flat.tolist(), strict=True
        ):
            key: StoredValue = (value >> 16, value >> 8 & 255, value & 255) if counts.by_color else value
            survey.pixels[key] = survey.pixels.get(key, 0) + pixels
            survey.flat[key] = survey.flat.get(key, 0) + flat
            survey.first.setdefault(key, counts.path)
            if counts.palette is not None and value < len(counts.palette):
                color = counts.palette[value]
                if survey.palettes.setdefault(value, color) != color and survey.clash is None:
                    survey.clash = (palette_from[value], counts.path, value)
                palette_from.setdefault(value, counts.path)
    return survey


def count_masks(masks: Sequence[Path]) -> tuple[list[MaskCounts], dict[Path, DataError]]:
    """Count what each mask holds, in threads; masks that have not changed since they were counted are not read again.

    Returns:
        What the masks hold that can be read, and why others cannot.
    """
    with FileCache() as cache:
        keys = {path: json.dumps(["mask", _FORM, stamp(path)]) for path in masks if path.exists()}
        kept = cache.find(keys.values())
        fresh = [path for path in masks if keys.get(path) not in kept]
        tried = dict(zip(fresh, in_threads(_try_to_count, fresh), strict=True))
        counted = {path: result for path, result in tried.items() if isinstance(result, MaskCounts)}
        cache.keep({keys[path]: _to_bytes(counts) for path, counts in counted.items() if path in keys})
    broken = {path: result for path, result in tried.items() if isinstance(result, DataError)}
    readable = [path for path in masks if path not in broken]
    return [counted[path] if path in counted else _from_bytes(path, kept[keys[path]]) for path in readable], broken


def _to_bytes(counts: MaskCounts) -> bytes:
    numbers = [part.tolist() for part in (counts.values, counts.pixels, counts.flat)]
    return json.dumps(
        [
            *numbers,
            *(counts.by_color, counts.palette, counts.gaps, counts.in_alpha, counts.crowded, counts.white_is_zero),
        ]
    ).encode()


def _from_bytes(path: Path, content: bytes) -> MaskCounts:
    *numbers, by_color, palette, gaps, in_alpha, crowded, white = json.loads(content)
    values, pixels, flat = (np.array(part, np.int64) for part in numbers)
    colors = None if palette is None else tuple((red, green, blue) for red, green, blue in palette)
    return MaskCounts(path, values, pixels, flat, by_color, colors, gaps, in_alpha, crowded, white)


def _try_to_count(path: Path) -> MaskCounts | DataError:
    try:
        return _count(path)
    except DataError as error:
        return error


def _count(path: Path) -> MaskCounts:
    mask = read_mask_file(path)
    stored = mask.values
    by_color = stored.ndim == 3
    numbers: NDArray[Any] = pack_colors(stored) if by_color else stored
    flat = numbers[:-1, :-1][(numbers[:-1, :-1] == numbers[1:, :-1]) & (numbers[:-1, :-1] == numbers[:-1, 1:])]
    if by_color:
        values, pixels = _count_runs(numbers.ravel())
        if len(values) > MAX_COLORS:
            nothing = np.zeros(0, np.int64)
            return MaskCounts(path, nothing, nothing, nothing, True, in_alpha=mask.alpha_varies, crowded=len(values))
        flats = np.zeros_like(pixels)
        if flat.size:
            flat_values, flat_pixels = _count_runs(flat)
            flats[np.searchsorted(values, flat_values)] = flat_pixels
    else:
        histogram = np.bincount(numbers.ravel())
        values = np.flatnonzero(histogram)
        pixels = histogram[values]
        flats = np.bincount(flat.ravel(), minlength=len(histogram))[values]
    palette = None if by_color else mask_palette(path)
    return MaskCounts(
        path,
        values,
        pixels,
        flats,
        by_color,
        palette,
        mask.gaps,
        mask.alpha_varies and len(values) == 1,
        white_is_zero=mask.white_is_zero,
    )


def _count_runs(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # Masks are made of long runs of one colour: sorting one number per run is far less work than one per pixel.
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1])
    lengths = np.diff(starts, append=len(numbers))
    values, place = np.unique(numbers[starts], return_inverse=True)
    return values, np.bincount(place, lengths).astype(np.int64)
