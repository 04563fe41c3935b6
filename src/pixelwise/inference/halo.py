"""Measuring how many pixels around a tile a trained network needs, at the places with most class borders."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.shared_pooling import spread_windows
from pixelwise.inference.tiles import mirrored
from pixelwise.tiling import FAST_HALO
from pixelwise.types import Sample

TRIED_HALOS = (32, 64, 96, 128, 192, 256, 384)
"""The halos in pixels that are tried, each rounded up to the period."""

LONGEST_HALO = 512
"""The halo in pixels that all others are compared with; it is shorter where the network reads fewer pixels."""

HALO_WINDOW_SIDE = 128
"""The side of the windows in pixels."""

HALO_WINDOWS = 8

CHANGED_SHARE = 1e-3
"""The share of the pixels of the windows whose labels may change."""


def choose_halo(
    runtime: Runtime,
    samples: Iterable[Sample],
    *,
    windows: int = 1,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Choose the shortest halo beyond which labels hardly change, on pictures that the network was not trained on.

    The pixels that a network reads (511 around a tile for a U-Net on EfficientNet-Lite0) say little about the pixels
    that it has learnt to use. The windows with most class borders of each picture are labelled with one halo after the
    other, because labels are least certain at borders. The picture is mirrored beyond its edges.

    Args:
        runtime: what computes.
        samples: pictures with masks.
        windows: how many windows per picture are labelled.
        progress: told after each picture how many were done.

    Returns:
        A halo in pixels, a multiple of the network's period. It is the shortest halo whose labels differ in at most
        :data:`CHANGED_SHARE` of the pixels, as do those of all longer halos; where none does, it is the longest that
        was tried. Networks with unpadded convolutions always read everything; for them, and where there is no picture,
        it is :data:`pixelwise.tiling.FAST_HALO`.
    """
    geometry = runtime.card.geometry
    longest = _up(LONGEST_HALO if geometry.context is None else min(LONGEST_HALO, geometry.context), geometry.period)
    halos = sorted({_up(halo, geometry.period) for halo in TRIED_HALOS})
    halos = [halo for halo in halos if halo < longest] or halos[:1]
    if geometry.margin:
        return FAST_HALO
    side = _up(HALO_WINDOW_SIDE, geometry.period)
    differing, pixels = dict.fromkeys(halos, 0), 0
    for done, sample in enumerate(samples, 1):
        assert sample.mask is not None
        spread = spread_windows(sample.size, geometry.period)
        with runtime.averaging_over(sample.image[:, rows, columns] for rows, columns in spread):
            for place in busiest(sample.mask, side, windows):
                expected = _label(runtime, sample.image, place, side, longest)
                for halo in halos:
                    found = _label(runtime, sample.image, place, side, halo)
                    differing[halo] += int((found != expected).sum())
                pixels += side**2
        if progress is not None:
            progress(done)
    if not pixels:
        return FAST_HALO
    chosen = halos[-1]
    for halo in reversed(halos):
        if differing[halo] > CHANGED_SHARE * pixels:
            break
        chosen = halo
    return chosen


def busiest(mask: NDArray[np.integer], side: int, count: int) -> list[tuple[int, int]]:
    """Find where a mask (H, W) changes most from pixel to pixel.

    Returns:
        Row and column of the first pixel of at most ``count`` squares of ``side`` pixels, which do not overlap, those
        with most changes first. A mask that is smaller than a square gives the square at its first pixel.
    """
    changes = np.zeros(mask.shape, np.int64)
    changes[1:] += mask[1:] != mask[:-1]
    changes[:, 1:] += mask[:, 1:] != mask[:, :-1]
    rows, columns = (range(0, max(1, length - side + 1), side) for length in mask.shape)
    sums = [(int(changes[y : y + side, x : x + side].sum()), y, x) for y in rows for x in columns]
    return [(y, x) for _, y, x in sorted(sums, key=lambda found: -found[0])[:count]]


def _label(
    runtime: Runtime, image: NDArray[np.uint8], place: tuple[int, int], side: int, halo: int
) -> NDArray[np.integer]:
    """Label a square of an image (C, H, W) that the network reads with a halo: (side, side)."""
    rows, columns = (
        mirrored(slice(first - halo, first + side + halo), length)
        for first, length in zip(place, image.shape[1:], strict=True)
    )
    inner = slice(halo, halo + side)
    return runtime.labels(image[:, rows[:, None], columns], (inner, inner))


def _up(value: int, period: int) -> int:
    """The next multiple of the period."""
    return -(-value // period) * period
