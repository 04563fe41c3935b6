"""Opening a picture file: which format it truly has, its declared size, and its stored numbers.

Files are judged by their first bytes, never by their suffix, and by their declared size before a pixel is decoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    WebPImagePlugin,
)

from pixelwise.errors import DataError, SettingError

# The plugins are named here, rather than found by Image.open, for two reasons: formats that run other programs stay
# out, and the size limit is ours alone (Image.open warns and refuses by a limit of its own, global to the process).
_PLUGINS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    *((b"P%d" % kind, PpmImagePlugin.PpmImageFile) for kind in range(1, 7)),
)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SUFFIXES = ".jpg .jpeg .png .bmp .gif .webp .pbm .pgm .ppm .pnm .tif .tiff"

IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes, in lower case, of the files that a folder is searched for."""

MAX_PIXELS_VARIABLE = "PIXELWISE_MAX_PIXELS"
"""Environment variable that sets the largest picture, in pixels, that is decoded whole; 2**28 when unset."""

_ORIENTATION = 0x0112
_ALPHA_SAMPLES = (1, 2)  # TIFF ExtraSamples: associated and unassociated alpha


@dataclass(frozen=True)
class Header:
    """What a picture file declares before its pixels are decoded.

    Args:
        size: height and width as stored, before any rotation.
        channels: numbers a pixel, with alpha where there is one; 1 for palettes.
        bits: bits of each number, 1 to 64.
        alpha: whether the last channel is declared to be transparency.
        palette: whether the numbers are indices into a palette of colours.
        orientation: EXIF orientation 1 to 8; 1 where there is none.
    """

    size: tuple[int, int]
    channels: int
    bits: int
    alpha: bool
    palette: bool
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width after the EXIF rotation."""
        return self.size if self.orientation < 5 else (self.size[1], self.size[0])


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises about a file into a DataError that names the file.

    Decoders raise nearly everything on damaged input (OSError, SyntaxError, struct.error, zlib.error, IndexError), so
    everything is caught; only faults of pixelwise's own kind and a lack of memory pass.
    """
    try:
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


def read_header(path: Path) -> Header:
    """Read what a picture file declares, without decoding it.

    Raises:
        DataError: the file is missing, empty, no picture, damaged, or declares more pixels than the limit.
    """
    with explained(path):
        plugin = _plugin(path)
        if plugin is None:
            with tifffile.TiffFile(path) as tiff:
                return _checked(path, _tiff_header(tiff))
        with plugin(path) as image:
            return _checked(path, _header(image))


def decode(path: Path) -> tuple[NDArray[Any], Header]:
    """Decode a picture to the numbers its file holds.

    Palette pictures give their indices and 1-bit pictures 0 and 1. Grey pictures of 2 and 4 bits, which decoders
    stretch to 8, give their stored numbers again.

    Returns:
        (H, W) or (H, W, channels) numbers as stored, before any rotation, and the header.

    Raises:
        DataError: as :func:`read_header`, and where the pixels cannot be decoded.
    """
    with explained(path):
        plugin = _plugin(path)
        if plugin is None:
            return _decode_tiff(path)
        with plugin(path) as image:
            header = _checked(path, _header(image))
            if header.bits == 16 and header.channels > 1:  # Pillow keeps only 8 bits of these
                return _decode_deep(path), header
            if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I"):
                return np.asarray(image.convert("RGB")), header  # CMYK and other printing colours
            pixels = np.asarray(image)
    if header.bits == 1:
        return pixels.astype(np.uint8), header
    if header.bits in (2, 4) and not header.palette:
        return pixels // (255 // (2**header.bits - 1)), header
    if image.mode == "I":
        return pixels.astype(np.uint16), header
    return pixels, header


def palette_of(path: Path) -> NDArray[np.uint8] | None:
    """Read the palette of a picture, (entries, 3) RGB, or None where it has none; raises like :func:`read_header`."""
    with explained(path):
        plugin = _plugin(path)
        if plugin is None:
            with tifffile.TiffFile(path) as tiff:
                table = tiff.pages.first.colormap  # (3, entries) 16-bit
                return None if table is None else (table.T >> 8).astype(np.uint8)
        with plugin(path) as image:
            if image.palette is None or image.mode != "P":
                return None
            return np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn (H, W, ...) pixels the way EXIF orientation 1 to 8 asks for (Exif 2.32, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)  # (W, H, ...)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _plugin(path: Path) -> type[ImageFile.ImageFile] | None:
    """Choose the decoder by the first bytes of the file; None stands for TIFF."""
    with open(path, "rb") as file:
        start = file.read(12)
    if not start:
        raise DataError(f"{path}: the file is empty; replace or remove it")
    if start.startswith(_TIFF):
        return None
    for magic, plugin in _PLUGINS:
        if start.startswith(magic):
            return plugin
    raise DataError(
        f"{path}: not a picture, its first bytes are {start[:8]!r}; expected JPEG, PNG, TIFF, BMP, GIF, WebP or PNM "
        "contents. Convert the file, or remove it"
    )


def _checked(path: Path, header: Header) -> Header:
    height, width = header.size
    limit = _max_pixels()
    if height * width > limit:
        raise DataError(
            f"{path}: declares {height}x{width} pixels (height x width), more than the limit of {limit:,}; cut it into "
            f"tiles, or raise the limit with the environment variable {MAX_PIXELS_VARIABLE}"
        )
    return header


def _max_pixels() -> int:
    text = os.environ.get(MAX_PIXELS_VARIABLE, "")
    if not text:
        return 2**28
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"the environment variable {MAX_PIXELS_VARIABLE} is '{text}'; expected a number of pixels")
    return int(text)


def _header(image: ImageFile.ImageFile) -> Header:
    width, height = image.size
    mode = image.mode
    channels = len(image.getbands())
    bits = {"1": 1, "F": 32, "I": 16, "I;16": 16, "I;16B": 16}.get(mode, 8)
    if isinstance(image, PngImagePlugin.PngImageFile):
        bits, channels = _png_depth(image, channels)
    orientation = image.getexif().get(_ORIENTATION, 1) if "exif" in image.info else 1
    return Header(
        size=(height, width),
        channels=3 if mode in ("CMYK", "YCbCr", "LAB") else channels,
        bits=bits,
        alpha=channels in (2, 4) and mode not in ("CMYK",),
        palette=mode in ("P", "PA"),
        orientation=orientation if orientation in range(1, 9) else 1,
    )


def _png_depth(image: PngImagePlugin.PngImageFile, channels: int) -> tuple[int, int]:
    """Read bits and channels from the IHDR chunk, because Pillow reports deep colour as 8 bits."""
    assert image.fp is not None
    place = image.fp.tell()
    image.fp.seek(24)  # signature 8, chunk header 8, width 4, height 4
    bits, kind = image.fp.read(2)
    image.fp.seek(place)
    return bits, {0: 1, 2: 3, 3: channels, 4: 2, 6: 4}[kind]


def _decode_deep(path: Path) -> NDArray[Any]:
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise OSError("the decoder gave up")
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        order = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        pixels = cv2.cvtColor(pixels, order)
    return np.asarray(pixels)


def _tiff_header(tiff: tifffile.TiffFile) -> Header:
    series = tiff.series[0]
    page = tiff.pages.first
    axes, shape = series.axes, series.shape
    if "Y" not in axes or "X" not in axes:
        raise OSError(f"its axes {axes} are no picture")
    height, width = shape[axes.index("Y")], shape[axes.index("X")]
    extra = tuple(getattr(page, "extrasamples", ()) or ())
    orientation = page.tags[_ORIENTATION].value if _ORIENTATION in page.tags else 1
    return Header(
        size=(height, width),
        channels=int(np.prod(shape, dtype=np.int64)) // max(height * width, 1),
        bits=page.bitspersample,
        alpha=len(extra) == 1 and int(extra[0]) in _ALPHA_SAMPLES,
        palette=page.photometric == 3,
        orientation=int(orientation) if int(orientation) in range(1, 9) else 1,
    )


def _decode_tiff(path: Path) -> tuple[NDArray[Any], Header]:
    with tifffile.TiffFile(path) as tiff:
        header = _checked(path, _tiff_header(tiff))
        axes = tiff.series[0].axes
        try:
            pixels = np.asarray(tiff.series[0].asarray())
        except (ValueError, ImportError):  # a compression that needs a further package; OpenCV knows the common ones
            return _decode_deep(path), header
    height, width = (axes.index(axis) for axis in "YX")
    pixels = np.moveaxis(pixels, (height, width), (0, 1))  # (H, W, ...)
    if header.channels == 1:
        return pixels.reshape(header.size), header
    return pixels.reshape(*header.size, header.channels), header  # (H, W, channels)
