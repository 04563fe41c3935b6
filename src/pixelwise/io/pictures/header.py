"""What a picture file declares before its pixels are decoded, and the limit on its size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pixelwise.errors import DataError, SettingError, TooManyPixelsError
from pixelwise.io.listing import check_regular
from pixelwise.io.pictures.validity import Transparent

MAX_PIXELS_VARIABLE = "PIXELWISE_MAX_PIXELS"
"""Environment variable that sets the largest picture, in pixels, that is decoded whole; 2**28 when unset."""

ORIENTATION_TAG = 0x0112
"""Number of the orientation tag in EXIF and in TIFF."""


@dataclass(frozen=True)
class Header:
    """What a picture file declares before its pixels are decoded.

    Args:
        size: height and width as stored, before any rotation.
        channels: numbers per pixel, with alpha where there is one; 1 for palettes.
        bits: bits of each number, 1 to 64.
        alpha: whether the last channel is declared to be transparency.
        palette: whether the numbers are indices into a palette of colours.
        orientation: EXIF orientation 1 to 8; 1 where there is none.
        white_is_zero: the channels whose 0 is white and whose greatest number black, if any are.
        transparent: the palette entries, the grey level or the colour that the file declares to be transparent.
        nodata: the number that stands for "nothing was measured here".
        masked: whether the file has a mask band, which says where the picture holds data.
        lossy: whether the file's compression changes numbers, as JPEG does.
    """

    size: tuple[int, int]
    channels: int
    bits: int
    alpha: bool
    palette: bool
    orientation: int
    white_is_zero: slice | None = None
    transparent: Transparent | None = None
    nodata: float | None = None
    masked: bool = False
    lossy: bool = False

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width after the EXIF rotation."""
        return self.size if self.orientation < 5 else (self.size[1], self.size[0])

    @property
    def marks_gaps(self) -> bool:
        """Whether the file may say of pixels that they hold no data."""
        return self.alpha or self.masked or self.transparent is not None or self.nodata is not None


@contextmanager
def naming_the_file(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises about a file into a DataError that names the file.

    Decoders raise nearly everything on damaged input (OSError, SyntaxError, struct.error, zlib.error, IndexError), so
    everything is caught; only faults of pixelwise's own kind and a lack of memory pass.
    """
    try:
        check_regular(path)
        yield
    except (DataError, SettingError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a folder, not a picture") from None
    except PermissionError:
        raise DataError(f"{path}: reading the file is not permitted") from None
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: the picture is damaged or cut short ({reason}); replace or remove it") from error


def within_limit(path: Path, header: Header) -> Header:
    """Give the header back, or refuse a picture that declares more pixels than the limit.

    Raises:
        DataError: it does.
        SettingError: the environment variable that sets the limit holds no number.
    """
    height, width = header.size
    limit = _max_pixels()
    if height * width > limit:
        raise TooManyPixelsError(
            f"{path}: declares {height}x{width} pixels (height x width), more than the limit of {limit:,}; cut it into "
            f"tiles, or raise the limit with the environment variable {MAX_PIXELS_VARIABLE}",
            header.upright_size,
        )
    return header


def _max_pixels() -> int:
    text = os.environ.get(MAX_PIXELS_VARIABLE, "")
    if not text:
        return 2**28
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"the environment variable {MAX_PIXELS_VARIABLE} is '{text}'; expected a number of pixels")
    return int(text)
