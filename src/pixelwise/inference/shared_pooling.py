"""What a network averages over the whole picture, so that its tiles agree on it."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.tiles import ReadWindow
from pixelwise.tiling import TilePlan, Window

WINDOWS_ALONG = 4
"""Windows along each side of the picture."""
WINDOWS_SHARE = 1 / 20
"""The share of the picture that the windows hold, unless they would be too small or too large."""
SMALLEST_WINDOW, LARGEST_WINDOW = 128, 512


def shared_context(runtime: Runtime, plan: TilePlan, read: ReadWindow) -> AbstractContextManager[None]:
    """Let all tiles of a plan take what the network averages over the picture from the same windows of it.

    A network with image pooling shown a tile would otherwise take the tile for the picture, and tiles would disagree
    at their seams however much they overlapped. Tiles that equal the whole, and networks that see part of a picture
    alone, need nothing.

    Args:
        runtime: what computes.
        plan: how the picture is cut.
        read: gives windows of the picture.
    """
    if plan.exact or plan.whole or not runtime.card.geometry.whole:
        return nullcontext()
    return runtime.averaging_over(read(*window) for window in spread_windows(plan.size, runtime.card.geometry.period))


def spread_windows(size: tuple[int, int], period: int) -> list[Window]:
    """Spread windows evenly over a picture of a size; they begin at multiples of the period."""
    side = math.sqrt(WINDOWS_SHARE * size[0] * size[1]) / WINDOWS_ALONG
    side = round(min(max(side, SMALLEST_WINDOW), LARGEST_WINDOW) / period) * period or period
    rows, columns = ([_place(number, length, side, period) for number in range(WINDOWS_ALONG)] for length in size)
    return [(row, column) for row in rows for column in columns]


def _place(number: int, length: int, side: int, period: int) -> slice:
    """Place a window of ``side`` in the middle of its share of ``length`` pixels, cut at the end."""
    middle = (number + 0.5) * length / WINDOWS_ALONG
    first = max(0, min(round((middle - side / 2) / period), (length - side) // period)) * period
    return slice(first, min(first + side, length))
