"""Opening picture files: their true format, their declared size and their stored numbers.

The format is recognised by the first bytes of a file, never by its suffix. The declared size is checked before a pixel
is decoded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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

from pixelwise.errors import DataError, PagesError
from pixelwise.io.pictures.header import ORIENTATION_TAG, Header, naming_the_file, within_limit
from pixelwise.io.tiff import decode_tiff, decode_with_opencv, read_tiff_header, tiff_palette

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
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PICTURE_MAGIC = (*TIFF_MAGIC, *(magic for magic, _ in _PLUGINS))
"""First bytes of the files that are read as pictures."""


def read_header(path: Path) -> Header:
    """Read what a picture file declares, without decoding it.

    Raises:
        DataError: the file is missing, empty, no picture, damaged, or declares more pixels than the limit.
    """
    with naming_the_file(path):
        plugin = plugin_of(path)
        if plugin is None:
            return read_tiff_header(path)
        with plugin(path) as image:
            return within_limit(path, _header(_single(path, image)))


def decode(path: Path) -> tuple[NDArray[Any], Header]:
    """Decode a picture to the numbers its file holds.

    Palette pictures give their indices and 1-bit pictures 0 and 1. Grey pictures of 2 and 4 bits, which decoders
    stretch to 8, give their stored numbers again.

    Returns:
        (H, W) or (H, W, channels) numbers as stored, before any rotation, and the header.

    Raises:
        DataError: as :func:`read_header`, and where the pixels cannot be decoded.
    """
    with naming_the_file(path):
        plugin = plugin_of(path)
        if plugin is None:
            return decode_tiff(path)
        with plugin(path) as image:
            header = within_limit(path, _header(_single(path, image)))
            if header.bits == 16 and header.channels > 1:  # Pillow keeps only 8 bits of these
                image.load()  # but Pillow says why a file is damaged, where OpenCV only prints to the terminal
                return decode_with_opencv(path)[..., : header.channels], header  # without what it makes of tRNS
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
    with naming_the_file(path):
        plugin = plugin_of(path)
        if plugin is None:
            return tiff_palette(path)
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


def plugin_of(path: Path) -> type[ImageFile.ImageFile] | None:
    """Choose the decoder by the first bytes of the file; None stands for TIFF."""
    with open(path, "rb") as file:
        start = file.read(12)
    if not start:
        raise DataError(f"{path}: the file is empty; replace or remove it")
    if start.startswith(TIFF_MAGIC):
        return None
    for magic, plugin in _PLUGINS:
        if start.startswith(magic):
            return plugin
    raise DataError(
        f"{path}: not a picture, its first bytes are {start[:8]!r}; expected JPEG, PNG, TIFF, BMP, GIF, WebP or PNM "
        "contents. Convert the file, or remove it"
    )


def _single(path: Path, image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """Give a picture back, or refuse one of several frames."""
    if getattr(image, "is_animated", False):
        frames = int(getattr(image, "n_frames", 2))
        raise PagesError(
            f"{path}: holds {frames} frames of {image.height}x{image.width} pixels (height x width), and nothing says "
            "which one is meant; save that one as a file of its own"
        )
    return image


def _header(image: ImageFile.ImageFile) -> Header:
    width, height = image.size
    mode = image.mode
    channels = len(image.getbands())
    bits = {"1": 1, "F": 32, "I": 16, "I;16": 16, "I;16B": 16}.get(mode, 8)
    if isinstance(image, PngImagePlugin.PngImageFile):
        bits, channels = _png_depth(image, channels)
    orientation = image.getexif().get(ORIENTATION_TAG, 1) if "exif" in image.info else 1
    return Header(
        size=(height, width),
        channels=3 if mode in ("CMYK", "YCbCr", "LAB") else channels,
        bits=bits,
        alpha=channels in (2, 4) and mode not in ("CMYK",),
        palette=mode in ("P", "PA"),
        orientation=orientation if orientation in range(1, 9) else 1,
        transparent=image.info.get("transparency"),
        lossy=isinstance(image, JpegImagePlugin.JpegImageFile),
    )


def _png_depth(image: PngImagePlugin.PngImageFile, channels: int) -> tuple[int, int]:
    """Read bits and channels from the IHDR chunk, because Pillow reports deep colour as 8 bits."""
    assert image.fp is not None
    place = image.fp.tell()
    image.fp.seek(24)  # signature 8, chunk header 8, width 4, height 4
    bits, kind = image.fp.read(2)
    image.fp.seek(place)
    return bits, {0: 1, 2: 3, 3: channels, 4: 2, 6: 4}[kind]
