"""TIFF and BigTIFF by windows: only the tiles or strips that a window needs are read and decoded."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.images import read_stored
from pixelwise.io.pictures.formats import decode, upright
from pixelwise.io.pictures.header import ORIENTATION_TAG, naming_the_file
from pixelwise.io.pictures.photometric import flipped
from pixelwise.io.pictures.tiff_pictures import mask_page, one_picture
from pixelwise.io.pictures.tiff_pieces import MOST_PIECE_BYTES
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.rows import RowPixels
from pixelwise.io.rasters.segments import SegmentCache, covering, nothing, paste
from pixelwise.io.rasters.source import ArrayPixels, PixelReader, Raster
from pixelwise.io.rasters.stamps import Unchanged
from pixelwise.io.tiff import header_of, nodata_of, palette_of_page

if TYPE_CHECKING:
    import tifffile


class _NotByPieces(Exception):
    """The file cannot be read by pieces; the message says why."""


def open_tiff(path: Path, *, indices: bool = False) -> Raster:
    """Open a TIFF or BigTIFF file, tiled or in strips, its channels interleaved, separate or on marked pages.

    At most 64 MiB of decoded pieces are kept, or one piece where it is larger. A window on compressed strips decodes
    whole strips: where a band of strips as high as the window takes more than 64 MiB, every window decodes its strips
    again, and a tiled file is faster.

    Two kinds of files cannot be read by pieces and are decoded whole, within the limit of
    :func:`pixelwise.io.images.read_image`: files that are stored turned (orientation tag), and files whose compression
    needs the package imagecodecs where neither imagecodecs nor rasterio is installed.

    Args:
        path: the file.
        indices: whether a palette is left alone, as masks want it, rather than looked up.

    Raises:
        DataError: the file is damaged or cut short, holds several pictures, or its compression cannot be decoded here.
    """
    import tifffile  # here, because pictures that are no TIFF do without it

    with naming_the_file(path):
        tiff = tifffile.TiffFile(path)
        try:
            return _by_pieces(path, tiff, indices)
        except _NotByPieces as reason:
            picture = one_picture(path, tiff)
            georeference, leads = Georeference.from_tiff(picture.page), picture.leads
            tiff.close()
            if "imagecodecs" in str(reason) and leads and importlib.util.find_spec("rasterio") is not None:
                from pixelwise.io.rasters.gdal import open_with_gdal

                return open_with_gdal(path, indices=indices)
            return open_whole(path, indices=indices, georeference=georeference)
        except BaseException:
            tiff.close()
            raise


def open_whole(path: Path, *, indices: bool = False, georeference: Georeference | None = None) -> Raster:
    """Decode a picture whole, within the limit on pixels, and give windows of it.

    Args:
        path: PNG, JPEG, TIFF or another format of :func:`pixelwise.io.images.read_image`.
        indices: whether a palette is left alone rather than looked up.
        georeference: where the picture lies on the Earth, if known.

    Raises:
        DataError: the file is missing, no picture, damaged, or larger than the limit.
    """
    marked = None
    if indices:
        stored, header = decode(path)
        stored = upright(stored, header.orientation) if header.orientation != 1 else stored
        stored = stored if stored.ndim == 3 else stored[..., None]  # (H, W, C)
        white = header.white_is_zero if header.bits == 1 else None
    else:
        picture = read_stored(path)
        stored, header, marked = picture.pixels, picture.header, picture.marked
        white = None  # inverted already
    stored = stored.astype(np.uint8) if stored.dtype == np.bool_ else stored
    looked_up = header.palette and not indices
    return Raster(
        str(path),
        (stored.shape[0], stored.shape[1]),
        stored.shape[2],
        stored.dtype,
        ArrayPixels(stored),
        bits=8 if looked_up else header.bits,
        alpha=header.alpha and not looked_up,
        georeference=georeference if header.orientation == 1 else None,
        white_is_zero=white,
        mask=None if marked is None else ArrayPixels(marked[..., None]),
    )


def _by_pieces(path: Path, tiff: tifffile.TiffFile, indices: bool) -> Raster:
    import tifffile  # here, because pictures that are no TIFF do without it

    picture = one_picture(path, tiff)
    pages, page = picture.pages, picture.page
    header = header_of(picture)
    if page.tags.valueof(ORIENTATION_TAG, default=1) != 1:
        raise _NotByPieces("the picture is stored turned")
    if any(not isinstance(other, tifffile.TiffPage | tifffile.TiffFrame) for other in pages) or page.imagedepth != 1:
        raise _NotByPieces("its pages are not all described")
    if any(other.parent is not tiff for other in pages if other is not None):
        raise _NotByPieces("its pages lie in several files")
    if page.dtype is None or page.dtype.kind not in "uifb":
        raise DataError(f"{path}: holds {page.dtype}, which is no picture; save 8 or 16 bits")
    height, width = page.imagelength, page.imagewidth
    if int(np.prod(picture.shape, dtype=np.int64)) != height * width * page.samplesperpixel * len(pages):
        raise _NotByPieces(f"its shape {picture.shape} is not that of its pages")
    for other in pages:
        assert other is not None  # refused above
        _whole_on_disk(path, other)
    white = header.white_is_zero if not indices or header.bits == 1 else None
    if white is not None:
        flipped(np.empty(0, page.dtype), header.bits, name=str(path))  # floats are refused before the first window
    unchanged = Unchanged(path)
    channels = page.samplesperpixel * len(pages)
    dtype = np.dtype(page.dtype).newbyteorder("=")
    rows = _row_pixels(path, tiff, page) if len(pages) == 1 else None
    raster = Raster(
        str(path),
        (height, width),
        channels,
        np.dtype(np.uint8) if dtype == np.bool_ else dtype,
        rows or TiffPixels(path, tiff, list(pages), (channels, height, width), dtype, unchanged),
        bits=page.bitspersample,
        alpha=header.alpha,
        georeference=Georeference.from_tiff(page),
        nodata=nodata_of(page),
        palette=palette_of_page(page) if header.palette and not indices else None,
        white_is_zero=white,
        mask=None if rows else _mask(path, tiff, page, unchanged),
    )
    if rows:
        tiff.close()
    return raster


def _whole_on_disk(path: Path, page: tifffile.TiffPage | tifffile.TiffFrame) -> None:
    """Refuse a file that is cut short at once, not after hours of work on its first part."""
    offsets, counts = np.asarray(page.dataoffsets, np.uint64), np.asarray(page.databytecounts, np.uint64)
    if len(offsets) != len(counts):
        raise OSError(f"it lists {len(offsets)} places of pixels but {len(counts)} lengths")
    needed, found = int((offsets + counts).max(initial=0)), path.stat().st_size
    if needed > found:
        raise DataError(
            f"{path}: the file is cut short: its pixels reach to byte {needed:,}, it has {found:,}; copy or download "
            "it again"
        )


def _row_pixels(path: Path, tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> PixelReader | None:
    """Give the pixels of a page that is one uncompressed block without a mask; None for other pages."""
    plain = page.compression == 1 and page.predictor == 1 and page.fillorder == 1 and not page.is_tiled
    if not plain or page.bitspersample not in (8, 16, 32, 64) or not page.is_contiguous:
        return None
    if mask_page(tiff, page) is not None:
        return None
    dtype = np.dtype(page.dtype).newbyteorder(tiff.byteorder)
    shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
    return RowPixels(path, int(page.dataoffsets[0]), shape, dtype, page.planarconfig == 2)


@dataclass
class TiffPixels:
    """The pieces of pages that have the same layout; channels are counted page after page.

    Args:
        path: the file.
        tiff: the open file; closed with the pixels.
        pages: the pages.
        shape: (C, H, W) over all pages.
        dtype: type of the numbers, in the byte order of this machine.
        unchanged: watches the file.
    """

    path: Path
    tiff: tifffile.TiffFile
    pages: list[Any]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    unchanged: Unchanged
    _cache: SegmentCache = field(default_factory=SegmentCache)

    def __post_init__(self) -> None:
        page = self.pages[0].keyframe
        _, height, width = self.shape
        self._tile = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
        self._planes = page.samplesperpixel if page.planarconfig == 2 else 1
        piece = self._tile[0] * self._tile[1] * page.samplesperpixel // self._planes * self.dtype.itemsize
        if piece > MOST_PIECE_BYTES:
            raise DataError(
                f"{self.path}: its compressed pieces are of {self._tile[0]}x{self._tile[1]} pixels, each "
                f"{piece / 2**20:,.0f} MiB, more than the {MOST_PIECE_BYTES // 2**20} MiB that are decoded at once; "
                "save it in tiles"
            )
        stored = [index for index, count in enumerate(self.pages[0].databytecounts) if count]
        if stored:  # unsupported compressions and damage are noticed at once
            try:
                self._piece(0, stored[0])
            except (ValueError, KeyError, AttributeError, NotImplementedError, ImportError) as error:
                if "imagecodecs" in str(error) or isinstance(error, ImportError):
                    raise _NotByPieces("its compression needs imagecodecs") from error
                raise

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Read a window (C, h, w)."""
        self.unchanged.check()
        page = self.pages[0].keyframe
        out = nothing((self.shape[0], height, width), self.dtype, page.nodata)
        for number in range(len(self.pages)):
            for plane in range(self._planes):
                first = number * page.samplesperpixel + plane
                for index, row, column in self._covering(plane, top, left, height, width):
                    piece = self._piece(number, index)
                    paste(out[first : first + len(piece)], piece, row=row - top, column=column - left)
        return out.astype(np.uint8) if self.dtype == np.bool_ else out

    def _covering(self, plane: int, top: int, left: int, height: int, width: int) -> Iterator[tuple[int, int, int]]:
        """Give index, first row and first column of each stored piece that a window touches."""
        tall, wide = self._tile
        across, down = -(-self.shape[2] // wide), -(-self.shape[1] // tall)
        for i in covering(top, height, tall):
            for j in covering(left, width, wide):
                index = (plane * down + i) * across + j
                yield index, i * tall, j * wide

    def _piece(self, number: int, index: int) -> NDArray[Any]:
        """Decode a piece to (channels, height, width); a piece that is not stored has no channels."""

        def load() -> NDArray[Any]:
            page = self.pages[number]
            count = page.databytecounts[index]
            if not count:
                return np.empty((0, 0, 0), self.dtype)
            handle = self.tiff.filehandle
            handle.seek(page.dataoffsets[index])
            data = handle.read(count)
            if len(data) < count:
                raise OSError("it ends too early")
            keyframe = page.keyframe
            decoded = keyframe.decode(data, index, jpegtables=keyframe.jpegtables, jpegheader=keyframe.jpegheader)[0]
            return np.asarray(decoded[0]).transpose(2, 0, 1)  # (depth 1, h, w, C) -> (C, h, w)

        return self._cache.get((number, index), load)

    def close(self) -> None:
        """Close the file."""
        self._cache.clear()
        self.tiff.close()


def _mask(path: Path, tiff: tifffile.TiffFile, picture: tifffile.TiffPage, unchanged: Unchanged) -> PixelReader | None:
    page = mask_page(tiff, picture)
    if page is None or page.samplesperpixel != 1 or page.dtype is None:
        return None
    _whole_on_disk(path, page)
    shape = (1, page.imagelength, page.imagewidth)
    return TiffPixels(path, tiff, [page], shape, np.dtype(page.dtype).newbyteorder("="), unchanged)
