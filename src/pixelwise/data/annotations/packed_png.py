"""Decoding PNG files that are stored inside annotation files, with a limit on their size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Size

_MAGIC = b"\x89PNG\r\n\x1a\n"


def decode_png(packed: bytes, size: Size) -> NDArray[Any] | None:
    """Decode a PNG without conversion, (H, W) or (H, W, channels) in the order of OpenCV.

    Args:
        packed: the bytes of the file.
        size: the largest height and width; a short file may unpack to very many pixels.

    Returns:
        The pixels; None if the bytes are no PNG, are damaged, or state a larger size.
    """
    if len(packed) < 24 or not packed.startswith(_MAGIC):
        return None
    width, height = int.from_bytes(packed[16:20]), int.from_bytes(packed[20:24])
    if not (0 < height <= size[0] and 0 < width <= size[1]):
        return None
    import cv2  # here, so that finding a layout does not wait for it

    try:
        return cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
