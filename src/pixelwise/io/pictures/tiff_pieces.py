"""Checking that the pieces of a TIFF file unpack to no more than they declare, for files that strangers send.

The decoders of Python's own library give whatever a piece unpacks to, which may be a thousand times its length. The
check unpacks each piece once, in parts that are dropped at once.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pixelwise.errors import DataError
from pixelwise.io.pictures.header import naming_the_file

MOST_PIECE_BYTES = 2**28
"""The most bytes that one tile or strip may unpack to."""

_SLACK = 2**16  # bytes that writers may leave at the end of a piece
_PART = 2**20

_DEFLATE, _LZMA, _PACKBITS = (8, 32946), (34925,), (32773,)


def check_pieces(path: Path) -> None:
    """Make sure that no tile or strip of a TIFF file unpacks to more than the pixels that it holds.

    Raises:
        DataError: one does, or is larger than :data:`MOST_PIECE_BYTES`; or the file is damaged.
    """
    import tifffile

    with naming_the_file(path), tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            keyframe = page.keyframe
            if keyframe is None or keyframe.dtype is None:
                continue
            expected = int(np.prod(keyframe.chunks, dtype=np.float64)) * keyframe.dtype.itemsize
            if expected > MOST_PIECE_BYTES and (keyframe.is_tiled or int(keyframe.compression) != 1):
                raise DataError(
                    f"{path}: its compressed pieces hold {expected / 2**20:,.0f} MiB each, more than the "
                    f"{MOST_PIECE_BYTES // 2**20} MiB that are decoded at once; save it in smaller tiles"
                )
            parts = _unpacker(int(keyframe.compression))
            if parts is None:
                continue
            for number, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False)):
                tiff.filehandle.seek(offset)
                unpacked = 0
                for part in parts(tiff.filehandle.read(count), expected + _SLACK):
                    unpacked += part
                    if unpacked > expected + _SLACK:
                        raise DataError(
                            f"{path}: the picture is damaged: piece {number + 1} unpacks to more than the {expected:,} "
                            "bytes that it declares; save it again"
                        )


def _unpacker(compression: int) -> Callable[[bytes, int], Iterator[int]] | None:
    """Give a function that unpacks a piece and gives the lengths of the parts; None where decoders bound themselves."""
    if compression in _DEFLATE:
        return lambda data, _: _parts(zlib.decompressobj(), data)
    if compression in _LZMA:
        return lambda data, _: _parts(lzma.LZMADecompressor(memlimit=MOST_PIECE_BYTES), data)
    if compression in _PACKBITS:
        return _runs
    return None


def _parts(unpacking: Any, data: bytes) -> Iterator[int]:
    """Unpack data in parts; damage is left to the decoder, which says more about it."""
    try:
        while data and not unpacking.eof:
            yield len(unpacking.decompress(data, _PART))
            data = getattr(unpacking, "unconsumed_tail", b"")
            if not data and getattr(unpacking, "needs_input", True) is False:
                while not unpacking.eof and not unpacking.needs_input:
                    yield len(unpacking.decompress(b"", _PART))
    except lzma.LZMAError as error:
        if "limit" in str(error):  # the memory that it says it needs
            yield 2 * MOST_PIECE_BYTES
    except (zlib.error, EOFError):
        return


def _runs(data: bytes, most: int) -> Iterator[int]:
    """Add up the lengths of the runs of PackBits."""
    place = total = 0
    while place < len(data) and total <= most:
        code = data[place]
        length = code + 1 if code < 128 else 257 - code
        total += 0 if code == 128 else length
        place += 1 if code == 128 else 1 + length if code < 128 else 2
    yield total
