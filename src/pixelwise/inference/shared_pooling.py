"""Averages over the whole picture that all tiles of it share, for networks with image pooling."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.tiles import ReadWindow
from pixelwise.tiling import TilePlan, Window

WINDOWS_ALONG = 4
"""The number of windows along each side of the picture."""
WINDOWS_SHARE = 1 / 20
"""The share of the picture that the windows cover, unless they would be too small or too large."""
SMALLEST_WINDOW, LARGEST_WINDOW = 128, 512


def shared_context(runtime: Runtime, plan: TilePlan, read: ReadWindow) -> AbstractContextManager[None]:
    """Let all tiles of a plan take the network's averages over the picture from the same windows of the picture.

    A network with image pooling would otherwise average over the tile instead of the picture, and tiles would disagree
    at their seams however much they overlapped. Exact tiles, and networks whose receptive field is limited, need no
    shared averages.

    Args:
        runtime: what computes.
        plan: how the picture is cut.
        read: gives windows of the picture.
    """
    if plan.exact or plan.whole or not runtime.card.geometry.whole:
        return nullcontext()
    return runtime.averaging_over(read(*window) for window in spread_windows(plan.size, runtime.card.geometry.period))


def spread_windows(size: tuple[int, int], period: int) -> list[Window]:
    """Spread windows evenly over a picture of the given size; they begin at multiples of the period."""
    side = math.sqrt(WINDOWS_SHARE * size[0] * size[1]) / WINDOWS_ALONG
    side = round(min(max(side, SMALLEST_WINDOW), LARGEST_WINDOW) / period) * period or period
    rows, columns = ([_place(number, length, side, period) for number in range(WINDOWS_ALONG)] for length in size)
    return [(row, column) for row in rows for column in columns]


def _place(number: int, length: int, side: int, period: int) -> slice:
    """Place a window of ``side`` in the middle of its share of ``length`` pixels, cut at the end."""
    middle = (number + 0.5) * length / WINDOWS_ALONG
    first = max(0, min(round((middle - side / 2) / period), (length - side) // period)) * period
    return slice(first, min(first + side, length))
