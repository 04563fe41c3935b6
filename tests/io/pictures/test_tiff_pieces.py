"""Pieces of TIFF files that unpack to more than they declare are refused, and no others."""

from __future__ import annotations

import lzma
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError
from pixelwise.io.images import read_image
from pixelwise.io.pictures.tiff_pieces import check_pieces

UNPACKED = 50_000_000
BOMBS = {8: zlib.compress(bytes(UNPACKED), 9), 34925: lzma.compress(bytes(UNPACKED)), 32773: b"\x81\0" * 400_000}


def tiff(compression: int, data: bytes, *, tile: int | None = None, side: int = 10) -> bytes:
    """A grey TIFF of one piece that declares a size of its own."""
    tags = [(256, side), (257, side), (258, 8), (259, compression), (262, 1), (277, 1)]
    places = (322, 323, 324, 325) if tile else (278, 273, 279)
    start = 8 + 2 + 12 * (len(tags) + len(places)) + 4
    values = (tile, tile, start, len(data)) if tile else (side, start, len(data))
    tags = sorted([*tags, *zip(places, values, strict=True)])  # type: ignore[list-item]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data


@pytest.mark.parametrize("compression", BOMBS)
@pytest.mark.parametrize("tile", [None, 16])
def test_a_bomb_is_refused_without_unpacking_it(tmp_path: Path, compression: int, tile: int | None) -> None:
    (tmp_path / "bomb.tif").write_bytes(tiff(compression, BOMBS[compression], tile=tile))
    tracemalloc.start()
    with pytest.raises(DataError, match="piece 1 unpacks to more than the"):
        check_pieces(tmp_path / "bomb.tif")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000


def test_tiles_that_are_too_large(tmp_path: Path) -> None:
    (tmp_path / "large.tif").write_bytes(tiff(8, zlib.compress(b""), tile=40_000))
    with pytest.raises(DataError, match="hold 1,526 MiB each"):
        check_pieces(tmp_path / "large.tif")


@pytest.mark.parametrize("compression", [None, "deflate", "lzma"])
@pytest.mark.parametrize("options", [{}, {"tile": (32, 48)}, {"rowsperstrip": 7}, {"predictor": True}])
@pytest.mark.parametrize("top", [1, 256])
def test_honest_files_pass(tmp_path: Path, compression: str | None, options: dict[str, object], top: int) -> None:
    if compression is None and "predictor" in options:
        pytest.skip("a predictor goes with a compression")
    picture = np.random.default_rng(0).integers(0, top, (70, 90, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb", compression=compression, **options)
    check_pieces(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), picture.transpose(2, 0, 1))


@pytest.mark.parametrize("compression", ["packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_files_of_another_writer_pass(tmp_path: Path, compression: str, mode: str) -> None:
    if compression == "jpeg" and mode in ("1", "P"):
        pytest.skip("JPEG holds grey and colours")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)).convert(mode)
    picture.save(tmp_path / "a.tif", compression=compression)
    check_pieces(tmp_path / "a.tif")


def test_damage_is_left_to_the_decoder(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(8, b"no deflate at all"))
    check_pieces(tmp_path / "a.tif")
    with pytest.raises(DataError, match="damaged"):
        read_image(tmp_path / "a.tif")
