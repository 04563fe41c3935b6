"""Pictures whose 0 is white are the pictures that viewers show, on every way into memory."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError
from pixelwise.io.images import read_image
from pixelwise.io.masks import read_mask
from pixelwise.io.rasters.opening import open_source, read_uint8

ALL = slice(None)
RNG = np.random.default_rng(4)
GEO = importlib.util.find_spec("rasterio") is not None


def picture(bits: int) -> np.ndarray:
    """A picture of 40x56 pixels whose 0 is black."""
    grey = RNG.integers(0, 2**bits, (40, 56))
    return grey.astype(bool) if bits == 1 else grey.astype(np.uint8 if bits <= 8 else np.uint16)


def stored_white(grey: np.ndarray, bits: int) -> np.ndarray:
    return ~grey if grey.dtype == bool else (2**bits - 1 - grey.astype(np.int64)).astype(grey.dtype)


def write_tifffile(path: Path, stored: np.ndarray, bits: int, white: bool, **options: Any) -> None:
    tifffile.imwrite(path, stored, photometric="miniswhite" if white else "minisblack", **options)


def write_gdal(path: Path, stored: np.ndarray, bits: int, white: bool, **options: Any) -> None:
    rasterio = pytest.importorskip("rasterio")
    if bits not in (8, 16):
        options["nbits"] = bits
    height, width = stored.shape
    options |= {"width": width, "height": height, "count": 1, "dtype": "uint8" if bits <= 8 else "uint16"}
    place = rasterio.Affine(1, 0, 0, 0, -1, height)  # so that it does not warn
    photometric = "MINISWHITE" if white else "MINISBLACK"
    with rasterio.open(path, "w", driver="GTiff", photometric=photometric, transform=place, **options) as file:
        file.write(stored.astype(options["dtype"])[None])


WAYS: dict[str, tuple[Callable[..., None], dict[str, Any], tuple[int, ...]]] = {
    "rows": (write_tifffile, {}, (1, 8, 16)),
    "strips": (write_tifffile, {"compression": "zlib", "rowsperstrip": 7}, (1, 8, 16)),
    "tiles": (write_tifffile, {"compression": "zlib", "tile": (16, 16)}, (8, 16)),
    "big endian": (write_tifffile, {"byteorder": ">", "bigtiff": True}, (1, 8, 16)),
    "turned": (write_tifffile, {"extratags": [(274, "H", 1, 6, True)]}, (1, 8, 16)),
    "few bits": (write_gdal, {}, (2, 4)),
    # Compressions for which tifffile wants another package: Pillow, OpenCV or GDAL decode them.
    "lzw": (write_gdal, {"compress": "lzw"}, (1, 2, 4, 8, 16)),
    "fax": (write_gdal, {"compress": "CCITTFAX4"}, (1,)),
    "zstd": (write_gdal, {"compress": "zstd"}, (8,)),
}
CASES = [pytest.param(*way[:2], bits, id=f"{name}-{bits}") for name, way in WAYS.items() for bits in way[2]]


@pytest.fixture(params=[True, False] if GEO else [False], ids=lambda geo: "with GDAL" if geo else "without")
def geo(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether rasterio is there to be found; without it other decoders take its place."""
    if not request.param:
        found = importlib.util.find_spec
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "rasterio" else found(name))
    return bool(request.param)


@pytest.mark.parametrize(("write", "options", "bits"), CASES)
def test_the_same_picture_either_way(
    tmp_path: Path, write: Callable[..., None], options: dict[str, Any], bits: int, geo: bool
) -> None:
    grey = picture(bits)
    write(tmp_path / "black.tif", grey, bits, False, **options)
    write(tmp_path / "white.tif", stored_white(grey, bits), bits, True, **options)
    with tifffile.TiffFile(tmp_path / "white.tif") as tiff:
        assert tiff.pages.first.photometric == 0
    if bits == 8:
        expected = grey if "extratags" not in options else np.rot90(grey, -1)
        np.testing.assert_array_equal(read_image(tmp_path / "white.tif", channels=1)[0], expected)
    for channels in (1, 3):
        black = read_image(tmp_path / "black.tif", channels=channels)
        assert len(np.unique(black)) > 1
        np.testing.assert_array_equal(read_image(tmp_path / "white.tif", channels=channels), black)
        with open_source(tmp_path / "white.tif") as source:
            np.testing.assert_array_equal(read_uint8(source, ALL, ALL, channels=channels), black)
            window = read_uint8(source, slice(3, 33), slice(11, 37), channels=channels)
            np.testing.assert_array_equal(window, black[:, 3:33, 11:37])


def test_numbers_of_12_bits_are_turned_around_by_gdal_or_refused(tmp_path: Path, geo: bool) -> None:
    grey = picture(12)
    write_gdal(tmp_path / "white.tif", 4095 - grey, 12, True)
    for read in (read_image, *([] if geo else [open_source])):
        with pytest.raises(DataError, match=r"white\.tif: .*12-bit numbers needs the package imagecodecs"):
            read(tmp_path / "white.tif")
    if geo:
        with open_source(tmp_path / "white.tif") as source:
            np.testing.assert_array_equal(source.read(ALL, ALL)[0], grey)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_transparency_is_not_turned_around(tmp_path: Path, planar: str) -> None:
    grey, alpha = picture(8), picture(8)
    stored = np.stack([255 - grey, alpha], 0 if planar == "separate" else -1)
    options = {"photometric": "miniswhite", "planarconfig": planar, "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels=1)[0], grey)
    with open_source(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(ALL, ALL), np.stack([grey, alpha]))
        np.testing.assert_array_equal(source.valid(ALL, ALL), alpha != 0)


def test_channels_on_pages_are_all_turned_around(tmp_path: Path) -> None:
    stored = np.stack([picture(8) for _ in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", metadata={"axes": "CYX"})
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), 255 - stored)
    with open_source(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(ALL, ALL), 255 - stored)


def test_no_data_is_told_by_the_numbers_that_are_stored(tmp_path: Path) -> None:
    stored = picture(8)
    stored[5:9, 7:20] = 9
    extra = [(42113, 2, 0, "9", True)]
    for name, options in (("rows", {}), ("tiles", {"tile": (16, 16), "compression": "zlib"})):
        tifffile.imwrite(tmp_path / f"{name}.tif", stored, photometric="miniswhite", extratags=extra, **options)
        with open_source(tmp_path / f"{name}.tif") as source:
            np.testing.assert_array_equal(source.valid(ALL, ALL), stored != 9)
            np.testing.assert_array_equal(source.read(ALL, ALL)[0], 255 - stored)


def test_signed_numbers_are_turned_around_and_floats_refused(tmp_path: Path) -> None:
    signed = RNG.integers(-(2**15), 2**15, (9, 8), np.int16)
    tifffile.imwrite(tmp_path / "b.tif", signed, photometric="minisblack")
    tifffile.imwrite(tmp_path / "w.tif", -1 - signed, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "w.tif"), read_image(tmp_path / "b.tif"))
    tifffile.imwrite(tmp_path / "f.tif", RNG.random((9, 8), np.float32), photometric="miniswhite")
    for read in (read_image, open_source):
        with pytest.raises(DataError, match=r"f\.tif: 0 is white.*float32"):
            read(tmp_path / "f.tif")


@pytest.mark.parametrize(("bits", "options"), [(1, {}), (1, {"compression": "zlib"}), (8, {}), (16, {})])
def test_masks_of_black_and_white_are_what_viewers_show(tmp_path: Path, bits: int, options: dict[str, Any]) -> None:
    inside = picture(1)
    white = (2**bits - 1) * inside.astype(np.uint8 if bits <= 8 else np.uint16)
    stored = ~inside if bits == 1 else (2**bits - 1) - white
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", **options)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), white)
    if bits <= 8:
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.tif")), inside if bits == 1 else white)
    if bits == 1:
        with open_source(tmp_path / "a.tif", indices=True) as source:
            np.testing.assert_array_equal(source.read(ALL, ALL)[0], white)


@pytest.mark.parametrize("way", ["strips", "lzw"])
@pytest.mark.parametrize("values", [(0, 1, 2), (0, 3, 255), (0, 1)])
def test_masks_of_indices_stay(tmp_path: Path, way: str, values: tuple[int, ...], geo: bool) -> None:
    indices = RNG.choice(np.array(values, np.uint8), (40, 56))
    write, options, _ = WAYS[way]
    write(tmp_path / "a.tif", indices, 8, True, **options)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), indices)
    with open_source(tmp_path / "a.tif", indices=True) as source:
        np.testing.assert_array_equal(source.read(ALL, ALL)[0], indices)
