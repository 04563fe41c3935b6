from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelwise.errors import DataError
from pixelwise.io.rasters.opening import open_source

rasterio = pytest.importorskip("rasterio")
raster_gdal = pytest.importorskip("pixelwise.io.rasters.gdal")
ALL = slice(None)


def write(path: Path, stored: np.ndarray, **options: object) -> None:
    """Write (C, H, W) by GDAL with a place on the Earth."""
    count, height, width = stored.shape
    transform = rasterio.Affine(2, 0, 100, 0, -2, 900)
    options = {"driver": "GTiff", "crs": "EPSG:32633", "transform": transform, **options}
    with rasterio.open(path, "w", width=width, height=height, count=count, dtype=stored.dtype, **options) as file:
        file.write(stored)


def noise(channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 200, (channels, 70, 50)).astype(dtype)


def test_formats_that_only_gdal_knows(tmp_path: Path) -> None:
    stored = noise(4, np.uint16)
    stored[:, 3:9, 5:8] = 99
    write(tmp_path / "a.img", stored, driver="HFA", nodata=99)
    with open_source(tmp_path / "a.img") as source:
        assert (source.size, source.channels, source.dtype) == ((70, 50), 4, np.uint16)
        np.testing.assert_array_equal(source.read(slice(3, 40), slice(7, 9)), stored[:, 3:40, 7:9])
        np.testing.assert_array_equal(source.valid(ALL, ALL), (stored != 99).any(0))
        assert source.georeference.transform == (2, 0, 100, 0, -2, 900)
        assert source.georeference.epsg == 32633
        with pytest.raises(DataError, match=r"a\.img: the window"):
            source.read(slice(0, 71), ALL)


def test_the_same_file_by_both_ways(tmp_path: Path) -> None:
    stored, mask = noise(), noise(1)[0] > 60
    for name, options in {"plain": {}, "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 32}}.items():
        path = tmp_path / f"{name}.tif"
        write(path, stored, compress="deflate", **options)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            file.write_mask(mask)
        with open_source(path) as ours, raster_gdal.open_with_gdal(path) as reference:
            assert type(ours.pixels) is not type(reference.pixels)
            assert ours.georeference.transform == reference.georeference.transform
            assert ours.georeference.epsg == reference.georeference.epsg
            np.testing.assert_array_equal(ours.read(ALL, ALL), reference.read(ALL, ALL))
            np.testing.assert_array_equal(ours.valid(ALL, ALL), mask)
            np.testing.assert_array_equal(reference.valid(ALL, ALL), mask)


def test_palettes(tmp_path: Path) -> None:
    indices = noise(1) % 3
    path = tmp_path / "a.tif"
    write(path, indices)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {0: (0, 0, 0), 1: (255, 0, 0), 2: (0, 0, 255)})
    for opened in (open_source, raster_gdal.open_with_gdal):
        with opened(path) as source, opened(path, indices=True) as mask:
            colors = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)[indices[0]]
            np.testing.assert_array_equal(source.read(ALL, ALL), colors.transpose(2, 0, 1))
            np.testing.assert_array_equal(mask.read(ALL, ALL), indices)


def test_files_that_nothing_reads(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"\0\1\2 not a raster")
    with pytest.raises(DataError, match=r"a\.xyz"):
        open_source(tmp_path / "a.xyz")
    write(tmp_path / "b.tif", noise().astype(np.complex64))
    with pytest.raises(DataError, match=r"b\.tif.*complex"):
        raster_gdal.open_with_gdal(tmp_path / "b.tif")
