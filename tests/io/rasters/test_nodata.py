"""Where a raster holds no data: no-data numbers, transparency, mask bands, tiles that are not stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.io.rasters.opening import open_source, read_uint8

ALL = slice(None)


def noise(height: int = 83, width: int = 107, channels: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    generator = np.random.default_rng(7)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    return (generator.random((height, width, channels)) * top).astype(dtype)


def test_nodata_numbers(tmp_path: Path) -> None:
    stored = noise(channels=2, dtype=np.int16)
    stored[10:20, 30:50] = -9999
    stored[0, 0, 0] = -9999  # the other channel of this pixel was measured
    path = tmp_path / "a.tif"
    options = {"photometric": "minisblack", "tile": (16, 16), "extratags": [(42113, 2, 0, "-9999", True)]}
    tifffile.imwrite(path, stored, planarconfig="contig", **options)
    with open_source(path) as source:
        assert source.nodata == -9999
        expected = np.ones((83, 107), bool)
        expected[10:20, 30:50] = False
        np.testing.assert_array_equal(source.valid(ALL, ALL), expected)
        assert source.valid(slice(50, 60), slice(50, 60)) is None
        assert not source.valid(slice(12, 14), slice(31, 33)).any()


@pytest.mark.parametrize(("dtype", "text"), [(np.uint8, "-9999"), (np.uint8, "1.5"), (np.uint16, "nan")])
def test_nodata_numbers_that_no_pixel_can_hold(tmp_path: Path, dtype: Any, text: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(dtype=dtype), photometric="rgb", extratags=[(42113, 2, 0, text, True)])
    with open_source(path) as source:
        assert source.valid(ALL, ALL) is None


def test_nodata_of_floats_may_be_nan(tmp_path: Path) -> None:
    stored = noise(channels=1, dtype=np.float32)[..., 0]
    stored[4, 5] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", stored, extratags=[(42113, 2, 0, "nan", True)])
    with open_source(tmp_path / "a.tif") as source:
        assert np.argwhere(~source.valid(ALL, ALL)).tolist() == [[4, 5]]


def test_nodata_of_a_palette_is_an_index(tmp_path: Path) -> None:
    indices = noise(channels=1)[..., 0] % 3
    colors = np.zeros((3, 256), np.uint16)
    colors[:, 1] = colors[:, 2] = 65535
    extra = [(42113, 2, 0, "2", True)]
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colors, extratags=extra)
    with open_source(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.valid(ALL, ALL), indices != 2)
        assert source.channels == 3


def test_transparency_is_no_data(tmp_path: Path) -> None:
    stored = noise(channels=4)
    stored[..., 3] = 255
    stored[3:9, 40:60, 3] = 0
    Image.fromarray(stored).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", stored, photometric="rgb", extrasamples=["unassalpha"], tile=(16, 16))
    for name in ("a.png", "b.tif"):
        with open_source(tmp_path / name) as source:
            assert (source.alpha, source.channels) == (True, 4)
            np.testing.assert_array_equal(source.valid(ALL, ALL), stored[..., 3] > 0)
            assert read_uint8(source, ALL, ALL, channels=3).shape == (3, 83, 107)


def test_a_mask_band_is_no_data(tmp_path: Path) -> None:
    stored, mask = noise(), noise(channels=1)[..., 0] > 128
    for compression in (None, "zlib"):
        path = tmp_path / f"{compression}.tif"
        with tifffile.TiffWriter(path) as writer:
            writer.write(stored, photometric="rgb", compression=compression, metadata=None)
            writer.write(mask, photometric="mask", subfiletype=4, compression=compression, metadata=None)
        with open_source(path) as source:
            assert source.channels == 3
            np.testing.assert_array_equal(source.valid(ALL, ALL), mask)
            np.testing.assert_array_equal(source.valid(slice(3, 30), slice(9, 44)), mask[3:30, 9:44])
            np.testing.assert_array_equal(source.read(ALL, ALL), stored.transpose(2, 0, 1))


def test_tiles_that_are_not_stored_hold_no_data(tmp_path: Path) -> None:
    """Sparse files of GDAL leave tiles out: their place and length are 0."""
    path = tmp_path / "a.tif"
    stored = noise(64, 64, 1)[..., 0]
    extra = [(42113, 2, 0, "9", True)]
    tifffile.imwrite(path, stored, tile=(32, 32), compression="zlib", metadata=None, extratags=extra)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for tag in (324, 325):
            values = list(tiff.pages.first.tags[tag].value)
            values[3] = 0
            tiff.pages.first.tags[tag].overwrite(values)
    stored[32:, 32:] = 9
    with open_source(path) as source:
        np.testing.assert_array_equal(source.read(ALL, ALL), stored[None])
        assert not source.valid(slice(32, 64), slice(32, 64)).any()
