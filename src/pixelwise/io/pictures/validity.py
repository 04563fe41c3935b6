"""Which pixels of a picture hold data: what transparency, no-data numbers and mask bands say.

One rule holds for pictures decoded whole and for rasters. A pixel holds no data where a mask band is 0, where it is
fully transparent, and where every channel holds the no-data number. Transparency that a network takes as a channel is
data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Transparent = bytes | int | tuple[int, ...]
"""What PNG and GIF declare beside the pixels: the opacity of each palette entry, or the one palette entry, grey level
or colour that is transparent."""


def nodata_as_stored(nodata: float | None, dtype: np.dtype[Any]) -> Any:
    """Give a no-data number in the stored type; None where no pixel can hold it, as -9999 in 8 bits."""
    if nodata is None:
        return None
    if dtype.kind == "f":
        return dtype.type(nodata)
    if dtype.kind not in "ui" or not np.isfinite(nodata) or nodata != round(nodata):
        return None
    limits = np.iinfo(dtype)
    return dtype.type(int(nodata)) if limits.min <= nodata <= limits.max else None


def measured(planes: NDArray[Any], nodata: Any) -> NDArray[np.bool_]:
    """Say where some channel of (C, h, w) holds another number than ``nodata``, which is of the stored type: (h, w)."""
    same = np.isnan(planes) if np.isnan(nodata) else planes == nodata
    return np.asarray(~same.all(0), np.bool_)


def opaque(stored: NDArray[Any], transparent: Transparent) -> NDArray[np.bool_]:
    """Say where pixels are not the transparent ones that a file declares.

    Args:
        stored: (H, W) grey levels or palette indices, or (H, W, C) colours, as stored.
        transparent: what the file declares.

    Returns:
        (H, W).
    """
    if isinstance(transparent, tuple):
        colors = stored[..., : len(transparent)]
        return np.asarray((colors != np.array(transparent, np.int64)).any(-1))
    indices = stored if stored.ndim == 2 else stored[..., 0]
    if isinstance(transparent, int):
        return np.asarray(indices != transparent)
    seen = np.ones(max(256, int(indices.max(initial=0)) + 1), np.bool_)
    seen[: len(transparent)] = np.frombuffer(transparent, np.uint8) != 0
    return np.asarray(seen[indices], np.bool_)


def all_of(*masks: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Say where all masks (h, w) are true; None where that is everywhere, as a mask that is None is."""
    known = [mask for mask in masks if mask is not None]
    if not known:
        return None
    valid: NDArray[np.bool_] = np.logical_and.reduce(known)
    return None if valid.all() else valid
