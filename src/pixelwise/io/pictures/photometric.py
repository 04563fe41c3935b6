"""Inverting pictures whose 0 is white (TIFF's WhiteIsZero, as scanners and inverted lookup tables write it)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError


def flipped(stored: NDArray[Any], bits: int, *, name: str) -> NDArray[Any]:
    """Invert numbers whose 0 is white, so that 0 is black.

    Args:
        stored: booleans or whole numbers, of any shape.
        bits: how many of each number the file has; may be fewer than its type has.
        name: what to call the picture in an error.

    Raises:
        DataError: they are floats, of which nothing says which one is black.
    """
    if stored.dtype == np.bool_ or stored.dtype.kind == "i":
        return ~stored
    if stored.dtype.kind != "u":
        raise DataError(
            f"{name}: 0 is white in this picture (WhiteIsZero), and nothing says which {stored.dtype} number is black; "
            "save it with black as zero"
        )
    turned: NDArray[Any] = stored.dtype.type(2**bits - 1) - stored
    return turned


def as_displayed(stored: NDArray[Any], bits: int, *, name: str) -> NDArray[Any]:
    """Give a mask whose 0 is white as viewers show it if it is black and white, and as stored if it holds indices.

    Args:
        stored: numbers of a file whose 0 is white.
        bits: how many of each number the file has.
        name: what to call the mask in an error.
    """
    if bits == 1 or (stored.dtype.kind == "u" and bits >= 8 and np.isin(stored, (0, 2**bits - 1)).all()):
        return flipped(stored, bits, name=name)
    return stored
