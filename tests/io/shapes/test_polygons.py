from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

from pixelwise.errors import DataError, PixelwiseError
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.sink import open_sink
from pixelwise.io.shapes.polygons import write_polygons
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("nothing", "land", "Übergang"), colors=((0, 0, 0), (30, 160, 30), (240, 240, 240)), background=0)
PLACE = Georeference.from_transform((2.0, 0.0, 1000.0, 0.0, -2.0, 9000.0), epsg=32633)


def blobs(height: int = 60, width: int = 75) -> np.ndarray:
    labels = ndimage.median_filter(np.random.default_rng(2).integers(0, 3, (height, width)), 3).astype(np.uint8)
    labels[20:30, 20:25] = SPACE.ignore_index
    return labels


def written(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert found["type"] == "FeatureCollection"
    return found


def painted(collection: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Draw pixel polygons, 16 times as large so that the middles of pixels are clear of the edges."""
    canvas = np.full(size, 99, np.uint8)
    for feature in collection["features"]:
        one = np.zeros((size[0] * 16, size[1] * 16), np.uint8)
        rings = [np.array(ring[:-1], np.int32) * 16 for ring in feature["geometry"]["coordinates"]]
        cv2.fillPoly(one, rings, 1)
        canvas[one[8::16, 8::16] == 1] = feature["properties"]["class"]
    return canvas


@pytest.mark.parametrize("background", [False, True])
def test_polygons_paint_the_labels_again(tmp_path: Path, background: bool) -> None:
    labels = blobs()
    count = write_polygons(tmp_path / "a.geojson", labels, SPACE, background=background)
    found = written(tmp_path / "a.geojson")
    assert len(found["features"]) == count
    left_out = (labels == SPACE.ignore_index) | ((labels == 0) & (not background))
    np.testing.assert_array_equal(painted(found, labels.shape), np.where(left_out, 99, labels))
    assert any(len(feature["geometry"]["coordinates"]) > 1 for feature in found["features"])
    assert "crs" not in found
    for feature in found["features"]:
        assert all(ring[0] == ring[-1] for ring in feature["geometry"]["coordinates"])


def test_what_a_feature_says(tmp_path: Path) -> None:
    labels = np.zeros((4, 5), np.uint8)
    labels[1:3, 2:4] = 2
    assert write_polygons(tmp_path / "a.geojson", labels, SPACE) == 1
    (feature,) = written(tmp_path / "a.geojson")["features"]
    assert feature == {
        "type": "Feature",
        "properties": {"class": 2, "name": "Übergang", "color": "#f0f0f0", "pixels": 4},
        "geometry": {"type": "Polygon", "coordinates": [[[2, 1], [4, 1], [4, 3], [2, 3], [2, 1]]]},
    }


def test_map_coordinates_and_the_way_round(tmp_path: Path) -> None:
    labels = np.zeros((4, 5), np.uint8)
    labels[:3, :3] = 1
    labels[1, 1] = 0
    for name, georeference, sign in (("map", PLACE, 1), ("pixels", None, 1)):
        write_polygons(tmp_path / name, labels, SPACE, georeference=georeference)
        found = written(tmp_path / name)
        shell, hole = (np.array(ring) for ring in found["features"][0]["geometry"]["coordinates"])
        for ring, way in ((shell, sign), (hole, -sign)):
            x, y = ring[:-1].T
            assert np.sign((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) == way  # RFC 7946, 3.1.6
        if georeference is not None:
            assert shell.min(0).tolist() == [1000, 8994]
            assert shell.max(0).tolist() == [1006, 9000]
            assert hole.min(0).tolist() == [1002, 8996]
            assert found["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"


def test_longitude_and_latitude_need_no_name(tmp_path: Path) -> None:
    place = Georeference.from_transform((0.1, 0.0, 10.0, 0.0, -0.1, 50.0), epsg=4326, geographic=True)
    write_polygons(tmp_path / "a", np.ones((4, 5), np.uint8), SPACE, georeference=place)
    assert "crs" not in written(tmp_path / "a")


@pytest.mark.parametrize("suffix", ["tif", "zarr", "png"])
def test_files_of_labels(tmp_path: Path, suffix: str) -> None:
    labels = blobs()
    with open_sink(tmp_path / f"a.{suffix}", size=labels.shape, label_space=SPACE, tile=32, georeference=PLACE) as sink:
        sink.write(0, 0, labels)
    write_polygons(tmp_path / "file", tmp_path / f"a.{suffix}", SPACE)
    write_polygons(tmp_path / "array", labels, SPACE, georeference=PLACE if suffix != "png" else None)
    assert (tmp_path / "file").read_bytes() == (tmp_path / "array").read_bytes()


def test_only_wanted_regions_are_written(tmp_path: Path) -> None:
    labels = blobs()
    pieces = [(label, ndimage.label(labels == label)) for label in (1, 2)]
    first, sizes = set(), []
    for _, (numbers, count) in pieces:
        for number in range(1, count + 1, 2):
            rows, columns = np.nonzero(numbers == number)
            first.add((int(rows[0]), int(columns[0])))
            sizes.append(len(rows))
    assert write_polygons(tmp_path / "a", labels, SPACE, keep=first) == len(sizes)
    found = written(tmp_path / "a")["features"]
    assert sorted(feature["properties"]["pixels"] for feature in found) == sorted(sizes)


def test_no_regions_make_an_empty_collection(tmp_path: Path) -> None:
    assert write_polygons(tmp_path / "a", np.zeros((4, 5), np.uint8), SPACE) == 0
    assert written(tmp_path / "a")["features"] == []


@pytest.mark.parametrize("size", [(1, 60), (60, 1), (1, 1)])
def test_rasters_one_pixel_wide_or_high(tmp_path: Path, size: tuple[int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 3, size).astype(np.uint8)
    write_polygons(tmp_path / "a", labels, SPACE, background=True)
    np.testing.assert_array_equal(painted(written(tmp_path / "a"), size), labels)


def test_rasters_that_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 of uint8"):
        write_polygons(tmp_path / "a", np.zeros((4, 5, 3), np.uint8), SPACE)
    with pytest.raises(DataError, match="float32"):
        write_polygons(tmp_path / "a", np.zeros((4, 5), np.float32), SPACE)
    with pytest.raises(DataError, match="holds label 3, but there are 3 classes"):
        write_polygons(tmp_path / "a", np.full((4, 5), 3, np.uint8), SPACE)
    with pytest.raises(PixelwiseError, match="folder does not exist"):
        write_polygons(tmp_path / "absent" / "a", np.zeros((4, 5), np.uint8), SPACE)
    assert list(tmp_path.iterdir()) == []


def test_the_same_polygons_as_gdal(tmp_path: Path) -> None:
    features = pytest.importorskip("rasterio.features")
    labels = blobs(200, 170)
    write_polygons(tmp_path / "a", labels, SPACE, background=True)
    reference = [
        (int(value), sorted(len(ring) for ring in shape["coordinates"]))
        for shape, value in features.shapes(labels, mask=labels != SPACE.ignore_index, connectivity=4)
    ]
    ours = [
        (feature["properties"]["class"], sorted(len(ring) for ring in feature["geometry"]["coordinates"]))
        for feature in written(tmp_path / "a")["features"]
    ]
    assert sorted(ours) == sorted(reference)
