"""TIFF files: any number of channels, numbers of any type."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from pixelwise.errors import DataError
from pixelwise.io.pictures.header import ORIENTATION_TAG, Header, within_limit
from pixelwise.io.pictures.tiff_pictures import TiffPicture, mask_page, one_picture, planes_of

if TYPE_CHECKING:
    import tifffile

GDAL_NODATA_TAG = 42113
"""Number of the TIFF tag in which GDAL keeps the value that stands for no data."""

_ALPHA_SAMPLES = (1, 2)  # ExtraSamples: associated and unassociated alpha
_DECODED_BITS = (1, 2, 4, 8, 16, 32, 64)  # bits that Pillow and OpenCV decode without changing the numbers
_JPEG = (6, 7, 33003, 33005, 33007, 34712)  # compressions that are JPEG, or JPEG 2000, of one sort or another
_PHOTOMETRIC_TAG = 262
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE = 0, 1, 3


def _open(path: Path) -> tifffile.TiffFile:
    import tifffile  # here, because importing it takes longer than finding out what a folder holds

    return tifffile.TiffFile(path)


def read_tiff_header(path: Path) -> Header:
    """Read what a TIFF file declares; raises whatever tifffile raises on damaged files."""
    with _open(path) as tiff:
        return within_limit(path, header_of(one_picture(path, tiff)))


def tiff_palette(path: Path) -> NDArray[np.uint8] | None:
    """Read the palette of a TIFF file, (entries, 3) RGB, or None where it has none."""
    with _open(path) as tiff:
        return palette_of_page(one_picture(path, tiff).page)


def palette_of_page(page: tifffile.TiffPage) -> NDArray[np.uint8] | None:
    """Read the palette of a page, (entries, 3) RGB, or None where it has none."""
    table = page.colormap  # (3, entries) 16-bit
    return None if table is None else (table.T >> 8).astype(np.uint8)


def header_of(picture: TiffPicture) -> Header:
    """Tell what a picture of a TIFF file declares.

    Raises:
        DataError: its channels have different numbers of bits.
    """
    page = picture.page
    if not isinstance(page.bitspersample, int):
        raise DataError(
            f"{page.parent.filehandle.path}: its channels have {', '.join(map(str, page.bitspersample))} bits each; "
            "save the picture with the same number for all"
        )
    height, width = picture.size
    extra = tuple(getattr(page, "extrasamples", ()) or ())
    orientation = page.tags[ORIENTATION_TAG].value if ORIENTATION_TAG in page.tags else 1
    return Header(
        size=(height, width),
        channels=int(np.prod(picture.shape, dtype=np.int64)) // max(height * width, 1),
        bits=page.bitspersample,
        alpha=bool(extra) and int(extra[-1]) in _ALPHA_SAMPLES,
        palette=page.photometric == _PALETTE,
        orientation=int(orientation) if int(orientation) in range(1, 9) else 1,
        # The first sample of each page is a colour, and the others are what ExtraSamples says (TIFF 6.0, page 31).
        white_is_zero=slice(0, None, page.samplesperpixel) if page.photometric == _WHITE_IS_ZERO else None,
        nodata=nodata_of(page),
        masked=mask_page(page.parent, page) is not None,
        lossy=int(page.compression) in _JPEG,
    )


def nodata_of(page: tifffile.TiffPage) -> float | None:
    """Read the number that GDAL notes to stand for "nothing was measured here", or None."""
    text = page.tags.valueof(GDAL_NODATA_TAG)
    try:
        return None if text is None else float(str(text).strip().rstrip("\0"))
    except ValueError:
        return None


def tiff_mask(path: Path) -> NDArray[np.bool_] | None:
    """Read the mask band of a TIFF file, (H, W) as stored, True where the picture holds data; None without one."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = mask_page(tiff, one_picture(path, tiff).page)
        return None if page is None else np.asarray(page.asarray()).reshape(page.imagelength, page.imagewidth) != 0


def decode_tiff(path: Path) -> tuple[NDArray[Any], Header]:
    """Decode a TIFF file that holds one picture.

    Returns:
        (H, W) or (H, W, channels) numbers as stored, and the header.

    Raises:
        DataError: it holds several pictures, declares more pixels than the limit, or its compression is not known.
    """
    with _open(path) as tiff:
        picture = one_picture(path, tiff)
        header = within_limit(path, header_of(picture))
        try:
            pixels = picture.read()
        except (ValueError, NotImplementedError, ImportError) as error:
            # Zstd is looked for in Python 3.14's own library first.
            if not isinstance(error, ImportError) and "imagecodecs" not in str(error):
                raise
            return _decode_compressed(path, picture, header), header
    return _channels_last(pixels, picture, header), header


def count_tiff_pages(path: Path) -> int:
    """Count the pictures and planes of a TIFF file; raises whatever tifffile raises on damaged files."""
    with _open(path) as tiff:
        return len(planes_of(path, tiff))


def decode_tiff_page(path: Path, number: int) -> tuple[NDArray[Any], Header, NDArray[np.uint8] | None]:
    """Decode one of the pictures and planes of a TIFF file.

    Returns:
        (H, W) or (H, W, channels) numbers as stored, the header, and the palette (entries, 3) if there is one.

    Raises:
        DataError: there is no such picture, it declares more pixels than the limit, or its compression is not known.
    """
    with _open(path) as tiff:
        planes = planes_of(path, tiff)
        if not 0 <= number < len(planes):
            raise DataError(f"{path}: there is no page {number + 1}; the file has {len(planes)}")
        picture = planes[number]
        header = replace(within_limit(path, header_of(picture)), masked=False)  # masks belong to single pictures
        try:
            pixels = picture.read()
        except (ValueError, NotImplementedError, ImportError) as error:
            if "imagecodecs" not in str(error):
                raise
            raise DataError(
                f"{path}: its compression needs the package imagecodecs; install it, or save with deflate"
            ) from error
        table = palette_of_page(picture.page) if header.palette else None
    return _channels_last(pixels, picture, header), header, table


def _channels_last(pixels: NDArray[Any], picture: TiffPicture, header: Header) -> NDArray[Any]:
    """Bring the axes of a picture to (H, W), or (H, W, channels)."""
    height, width = (picture.axes.index(axis) for axis in "YX")
    pixels = np.moveaxis(pixels, (height, width), (0, 1))  # (H, W, ...)
    if header.channels == 1:
        return pixels.reshape(header.size)
    return pixels.reshape(*header.size, header.channels)  # (H, W, channels)


def _decode_compressed(path: Path, picture: TiffPicture, header: Header) -> NDArray[Any]:
    """Decode a TIFF packed in a way for which tifffile wants the package imagecodecs, where others can."""
    if header.channels > 4 or not picture.leads or header.bits not in _DECODED_BITS:
        what = "its compression" if header.bits in _DECODED_BITS else f"the packing of its {header.bits}-bit numbers"
        raise DataError(f"{path}: {what} needs the package imagecodecs; install it, or save 8 or 16 bits with deflate")
    content = np.fromfile(path, np.uint8)
    if header.white_is_zero is not None:  # decoders invert some depths of these, and others not
        tag, order = picture.page.tags[_PHOTOMETRIC_TAG], picture.page.parent.byteorder
        content[tag.valueoffset : tag.valueoffset + 2] = np.frombuffer(struct.pack(f"{order}H", _BLACK_IS_ZERO), "u1")
    if header.bits > 8:
        return _decode_with_opencv(content)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(content.tobytes())) as image:  # OpenCV changes these numbers
        pixels = np.array(image)
    if header.bits in (2, 4) and not header.palette:  # Pillow stretches these to 8 bits
        pixels //= 255 // (2**header.bits - 1)
    return pixels


def decode_with_opencv(path: Path) -> NDArray[Any]:
    """Decode numbers deeper than 8 bits, in RGB order.

    Raises:
        OSError: OpenCV cannot decode the file.
    """
    return _decode_with_opencv(np.fromfile(path, np.uint8))


def _decode_with_opencv(content: NDArray[np.uint8]) -> NDArray[Any]:
    pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise OSError("OpenCV cannot decode it")
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        order = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        pixels = cv2.cvtColor(pixels, order)
    return np.asarray(pixels)
