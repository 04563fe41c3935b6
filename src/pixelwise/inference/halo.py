"""How many pixels around a tile a trained network really needs, measured where pictures have most borders."""

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
"""Pixels that are tried, up to the period."""

LONGEST_HALO = 512
"""Pixels around the windows that all others are compared with; fewer where the network reads fewer."""

HALO_WINDOW_SIDE = 128
"""The side of the windows in pixels."""

HALO_WINDOWS = 8

CHANGED_SHARE = 1e-3
"""Share of the pixels of the windows that may come out otherwise."""


def choose_halo(
    runtime: Runtime,
    samples: Iterable[Sample],
    *,
    windows: int = 1,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Choose the shortest halo from which on labels hardly change, with pictures that taught nothing.

    What a network may read (511 pixels around a tile for a U-Net on EfficientNet-Lite0) says little about what it has
    learnt to look at. The busiest windows of each picture are labelled with a halo after the other; borders of
    classes are where labels are least sure. Around the picture, its mirror image stands.

    Args:
        runtime: what computes.
        samples: pictures with masks.
        windows: how many windows of each are looked at.
        progress: told after each picture how many were done.

    Returns:
        A halo in pixels, a multiple of the network's period: the shortest of which no longer one changes more than
        :data:`CHANGED_SHARE` of the pixels; the longest tried, where all do. Networks of unpadded convolutions always
        read all; for them, and where there is no picture, :data:`pixelwise.tiling.FAST_HALO`.
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
        Row and column of the first pixel of at most ``count`` squares of ``side`` pixels, which do not overlap, the
        busiest first. A mask smaller than a square gives the one that begins with it.
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
    """Label a square of an image (C, H, W) that is shown with a halo: (side, side)."""
    rows, columns = (
        mirrored(slice(first - halo, first + side + halo), length)
        for first, length in zip(place, image.shape[1:], strict=True)
    )
    inner = slice(halo, halo + side)
    return runtime.labels(image[:, rows[:, None], columns], (inner, inner))


def _up(value: int, period: int) -> int:
    """The next multiple of the period."""
    return -(-value // period) * period
