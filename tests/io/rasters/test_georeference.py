from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pixelwise.errors import SettingError
from pixelwise.io.rasters.georeference import Georeference, Transform
from pixelwise.io.rasters.opening import open_source

NORTH_UP: Transform = (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_400_000.0)
TURNED: Transform = (0.4, 0.3, 100.0, 0.3, -0.4, 200.0)


def stored(path: Path, georeference: Georeference) -> Georeference | None:
    """What a TIFF file gives back."""
    tifffile.imwrite(path, np.zeros((4, 6), np.uint8), extratags=georeference.to_tiff(), metadata=None)
    with open_source(path) as source:
        return source.georeference


@pytest.mark.parametrize("transform", [NORTH_UP, TURNED])
def test_transform_and_code_survive_a_tiff(tmp_path: Path, transform: Transform) -> None:
    georeference = Georeference.from_transform(transform, epsg=32633)
    again = stored(tmp_path / "a.tif", georeference)
    assert again == georeference
    assert again.transform == pytest.approx(transform)
    assert again.epsg == 32633


def test_json_gives_it_back() -> None:
    georeference = Georeference.from_transform(NORTH_UP, epsg=4326, geographic=True)
    georeference = Georeference({**georeference.tags, 34737: "WGS 84|"})
    assert Georeference.from_dict(json.loads(json.dumps(georeference.to_dict()))) == georeference


def test_numbers_for_the_middles_of_pixels_are_moved_to_the_corner() -> None:
    tags = dict(Georeference.from_transform(NORTH_UP).tags)
    tags[34735] = (1, 1, 0, 1, 1025, 0, 1, 2)  # GTRasterTypeGeoKey = RasterPixelIsPoint
    assert Georeference(tags).transform == (0.5, 0.0, 499_999.75, 0.0, -0.5, 5_400_000.25)


def test_a_tiepoint_need_not_be_the_first_pixel() -> None:
    tags = {33550: (2.0, 3.0, 0.0), 33922: (10.0, 20.0, 0.0, 1000.0, 5000.0, 0.0)}
    a, b, c, d, e, f = Georeference(tags).transform
    assert (a * 10 + b * 20 + c, d * 10 + e * 20 + f) == (1000, 5000)


def test_control_points_alone_are_no_transform(tmp_path: Path) -> None:
    points = Georeference({33922: tuple(float(n) for n in range(24))})
    assert points.transform is None
    assert points.epsg is None
    assert stored(tmp_path / "a.tif", points) == points


def test_pictures_without_a_place(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 6), np.uint8))
    with open_source(tmp_path / "a.tif") as source:
        assert source.georeference is None


def test_senseless_arguments() -> None:
    with pytest.raises(SettingError, match="a line or a point"):
        Georeference.from_transform((1, 1, 0, 1, 1, 0))
    with pytest.raises(SettingError, match="epsg is 99999"):
        Georeference.from_transform(NORTH_UP, epsg=99999)


@pytest.mark.parametrize("code", [32633, 4326, 3857, "+proj=aea +lat_1=30 +lat_2=60 +lon_0=11.5 +datum=WGS84"])
def test_tags_of_gdal_come_back_to_gdal(tmp_path: Path, code: int | str) -> None:
    rasterio = pytest.importorskip("rasterio")
    crs = rasterio.crs.CRS.from_user_input(code)
    options = {"driver": "GTiff", "width": 6, "height": 4, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", crs=crs, transform=rasterio.Affine(*TURNED), **options):
        pass
    with open_source(tmp_path / "a.tif") as source:
        georeference = source.georeference
    assert georeference.transform == pytest.approx(TURNED)
    assert georeference.epsg == (code if isinstance(code, int) else None)
    stored(tmp_path / "b.tif", georeference)
    with rasterio.open(tmp_path / "b.tif") as copy:
        assert copy.crs == crs
        assert tuple(copy.transform)[:6] == pytest.approx(TURNED)


def test_gdal_reads_what_is_made_from_a_transform(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    for transform, code, geographic in ((NORTH_UP, 32633, False), (TURNED, 4326, True)):
        stored(tmp_path / "a.tif", Georeference.from_transform(transform, epsg=code, geographic=geographic))
        with rasterio.open(tmp_path / "a.tif") as read:
            assert read.crs.to_epsg() == code
            assert tuple(read.transform)[:6] == pytest.approx(transform)
