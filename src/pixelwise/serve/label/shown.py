"""Pictures in a form that browsers show: whatever the file is, 8 bits of red, green and blue, upright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pixelwise.errors import DataError
from pixelwise.io.images import image_info, read_image, read_stored

LOSSLESS = 2**22
"""Pixels up to which a picture is sent without loss; larger ones as JPEG of the highest quality."""

SAMPLED = 2**20
"""Numbers of a picture of more than 8 bits from which black and white are chosen."""


def etag_of(path: Path) -> str:
    """Name the state of a file.

    Raises:
        DataError: it is gone.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: the picture cannot be read ({error.strerror}); bring it back") from error
    return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'


def shown(path: Path) -> tuple[bytes, str]:
    """Decode a picture and write it for a browser.

    Returns:
        The file, and its type.

    Raises:
        DataError: the picture cannot be read.
    """
    image = read_image(path, channels=3, value_range=_range_of(path)).transpose(1, 2, 0)  # (H, W, 3)
    small = image.shape[0] * image.shape[1] <= LOSSLESS
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if small else [cv2.IMWRITE_JPEG_QUALITY, 95]
    _, body = cv2.imencode(".png" if small else ".jpg", np.ascontiguousarray(image[..., ::-1]), options)
    return body.tobytes(), "image/png" if small else "image/jpeg"


def _range_of(path: Path) -> tuple[float, float] | None:
    """Find the numbers to show as black and white in a picture of more than 8 bits; None for others."""
    if image_info(path).bits <= 8:
        return None
    pixels = read_stored(path).pixels
    step = max(1, int((pixels.size / SAMPLED) ** 0.5))
    some = pixels[::step, ::step].astype(np.float64)
    some = some[np.isfinite(some)]
    low, high = np.percentile(some, (0.1, 99.9)) if some.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)
