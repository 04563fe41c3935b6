from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.io.rasters.opening import open_source
from pixelwise.io.rasters.sidecars import UnreadPlaces

PICTURE = np.zeros((20, 30, 3), np.uint8)
WORLD = "2.0\n0.0\n0.0\n-2.0\n101.0\n899.0\n"  # the middle of the first pixel
SCALE, CORNER = (33550, "d", 3, (2.0, 2.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 100.0, 900.0, 0.0), True)
POINTS = (33922, "d", 12, (0.0, 0.0, 0.0, 100.0, 900.0, 0.0, 30.0, 20.0, 0.0, 161.0, 859.0, 0.0), True)
SYSTEM = (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True)
TRANSFORM = "<PAMDataset><GeoTransform> 100.0, 2.0, 0.0, 900.0, 0.0, -2.0</GeoTransform></PAMDataset>"
OTHER = TRANSFORM.replace("100.0", "140.0")
COORDINATES = '<PAMDataset><SRS dataAxisToSRSAxisMapping="1,2">PROJCS["x"]</SRS></PAMDataset>'
STATISTICS = (
    "<PAMDataset><PAMRasterBand band='1'><Metadata><MDI key='MEAN'>1</MDI></Metadata></PAMRasterBand></PAMDataset>"
)


def lines(*pictures: Path) -> list[str]:
    places = UnreadPlaces()
    for picture in pictures:
        places.look(picture)
    return places.lines()


def write(path: Path, *tags: tuple[Any, ...]) -> Path:
    if path.suffix.lower() in (".tif", ".tiff"):
        tifffile.imwrite(path, PICTURE, photometric="rgb", extratags=tags)
    else:
        Image.fromarray(PICTURE).save(path)
    return path


@pytest.mark.parametrize(
    ("picture", "beside", "content"),
    [
        ("a.tif", "a.tfw", WORLD),
        ("a.tif", "A.TFW", WORLD),
        ("a.tiff", "a.tfw", WORLD),
        ("a.tif", "a.tifw", WORLD),
        ("a.png", "a.pgw", WORLD),
        ("a.png", "a.pngw", WORLD),
        ("a.jpg", "a.jgw", WORLD),
        ("a.jpeg", "a.jgw", WORLD),
        ("a.bmp", "a.wld", WORLD),
        ("a.png", "a.prj", 'PROJCS["WGS 84 / UTM zone 33N"]'),
        ("a.png", "a.png.aux.xml", TRANSFORM),
        ("a.png", "a.aux.xml", COORDINATES),
        ("a.tif", "a.tif.aux.xml", "<PAMDataset><GCPList/></PAMDataset>"),
    ],
)
def test_a_place_beside_the_picture_is_said(tmp_path: Path, picture: str, beside: str, content: str) -> None:
    path = write(tmp_path / picture)
    assert lines(path) == []
    (tmp_path / beside).write_text(content)
    (line,) = lines(path)
    assert line.startswith(f"1 picture has a place on the Earth in files beside that are not read ({beside});")


@pytest.mark.parametrize(
    ("beside", "content", "reported"),
    [
        ("a.tfw", WORLD, False),
        ("a.tfw", WORLD.replace("101.0", "141.0"), True),
        ("a.tif.aux.xml", TRANSFORM, False),
        ("a.tif.aux.xml", OTHER, True),
        ("a.tif.aux.xml", COORDINATES, False),
        ("a.tif.aux.xml", STATISTICS, False),
        ("a.tif.aux.xml", "<PAMDataset><GCPList/></PAMDataset>", False),
        ("a.prj", "anything", False),
    ],
)
def test_what_the_picture_says_itself_is_not_said_again(
    tmp_path: Path, beside: str, content: str, reported: bool
) -> None:
    path = write(tmp_path / "a.tif", SCALE, CORNER, SYSTEM)
    (tmp_path / beside).write_text(content)
    assert bool(lines(path)) is reported


def test_a_place_without_a_coordinate_system_leaves_one_beside_to_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", SCALE, CORNER)
    (tmp_path / "a.prj").write_text("PROJCS")
    assert "a.prj" in lines(path)[0]


@pytest.mark.parametrize(
    ("beside", "content"),
    [
        ("a.wld", "a saved game"),
        ("a.png.aux.xml", STATISTICS),
        ("b.pgw", WORLD),
        ("a.pgw", "1\n2\n3\n"),
        ("a.txt", WORLD),
    ],
)
def test_files_that_tell_no_place_are_not_said(tmp_path: Path, beside: str, content: str) -> None:
    path = write(tmp_path / "a.png")
    (tmp_path / beside).write_text(content)
    assert lines(path) == []


def test_control_points_alone_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", POINTS, SYSTEM)
    with open_source(path) as source:
        assert source.georeference is not None
        assert (source.georeference.transform, source.georeference.control_points) == (None, 2)
    (line,) = lines(path)
    assert line.startswith("1 picture has ground control points alone (a.tif), which are not read: labels keep them")


def test_control_points_of_other_formats_are_kept(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    corners = [(0, 0, 100.0, 900.0), (0, 30, 160.0, 901.0), (20, 0, 100.0, 860.0), (20, 30, 161.0, 859.0)]
    points = [rasterio.control.GroundControlPoint(*corner) for corner in corners]
    options = {"driver": "HFA", "width": 30, "height": 20, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.img", "w", gcps=points, crs="EPSG:32633", **options) as file:
        file.write(PICTURE[None, ..., 0])
    with open_source(tmp_path / "a.img") as source:
        if source.georeference is None or not source.georeference.control_points:
            pytest.skip("this GDAL keeps no control points in the format")
        assert source.georeference.control_points == 4
        assert source.georeference.epsg == 32633
    assert "ground control points alone (a.img)" in lines(tmp_path / "a.img")[0]


def test_what_gdal_reads_beside_the_picture_is_not_said(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    options = {"driver": "GTiff", "width": 30, "height": 20, "count": 1, "dtype": "uint8", "compress": "lzw"}
    place = rasterio.Affine(1, 0, 0, 0, -1, 9)
    with rasterio.open(tmp_path / "a.tif", "w", transform=place, tfw="yes", profile="baseline", **options) as file:
        file.write(PICTURE[None, ..., 0])
    with open_source(tmp_path / "a.tif") as source:
        read = source.georeference is not None
    assert (lines(tmp_path / "a.tif") == []) is read


def test_many_pictures_make_one_line(tmp_path: Path) -> None:
    pictures = [write(tmp_path / f"{number}.png") for number in range(5)]
    for picture in pictures:
        picture.with_suffix(".pgw").write_text(WORLD)
    (line,) = lines(*pictures)
    assert "5 pictures have a place" in line
    assert "(0.pgw, 1.pgw, 2.pgw, ...)" in line


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0rubbish")
    (tmp_path / "a.tfw").write_text(WORLD)
    assert lines(tmp_path / "a.tif", tmp_path / "absent.png") == []
