"""Objects in files: COCO's JSON, GeoJSON and the table say what the objects are, to the pixel and without canvases."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from pixelwise.errors import DataError
from pixelwise.inference.labelling.records import object_records
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.shapes.coco import write_coco
from pixelwise.io.shapes.polygons import write_object_polygons
from pixelwise.io.shapes.records import PictureRecord, read_picture, read_records, write_records
from pixelwise.io.shapes.table import OBJECT_COLUMNS, write_object_table
from pixelwise.types import LabelSpace

THINGS = LabelSpace(("cell", "dot"), colors=((255, 0, 0), (0, 0, 255)))
SIZE = (40, 60)


def ragged(seed: int = 0) -> Instances:
    """Objects with holes and parts, one of a single pixel in the last corner."""
    rng = np.random.default_rng(seed)
    masks = [
        BoxMask(rng.random((9, 12)) < 0.6, top, left, SIZE).trimmed() for top, left in ((0, 0), (20, 30), (22, 34))
    ]
    masks.append(BoxMask(np.ones((1, 1), np.bool_), 39, 59, SIZE))
    return Instances.of_masks(SIZE, masks, [0, 1, 0, 1], scores=np.array([0.9, 0.75, 0.5, 0.25], np.float32))


def listed(name: str, instances: Instances):
    return PictureRecord(name, *instances.size), object_records(instances)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with numpy 2
def test_coco_files_hold_the_masks_to_the_pixel(tmp_path: Path) -> None:
    objects = ragged()
    empty = Instances.none((8, 8))
    path = tmp_path / "predictions.json"
    assert write_coco(path, lambda: (listed("a.png", objects), listed("ä/b.png", empty)), THINGS) == 4
    coco = COCO(path)
    assert [image["file_name"] for image in coco.loadImgs([1, 2])] == ["a.png", "ä/b.png"]
    assert [category["name"] for category in coco.loadCats([1, 2])] == ["cell", "dot"]
    assert objects.masks is not None
    for number, mask in enumerate(objects.masks):
        (annotation,) = coco.loadAnns([number + 1])
        np.testing.assert_array_equal(coco.annToMask(annotation), mask.full())
        left, top, right, bottom = mask.box
        assert annotation["bbox"] == [left, top, right - left, bottom - top]
        assert annotation["area"] == mask.area
        assert annotation["score"] == pytest.approx(objects.scores[number])
        assert annotation["category_id"] == objects.labels[number] + 1


def test_faster_coco_eval_scores_the_file_against_itself(tmp_path: Path) -> None:
    faster = pytest.importorskip("faster_coco_eval")
    path = tmp_path / "predictions.json"
    write_coco(path, lambda: [listed("a.png", ragged())], THINGS)
    truth = faster.COCO(str(path))
    found = truth.loadRes(json.loads(path.read_text())["annotations"])
    judge = faster.COCOeval_faster(truth, found, "segm", print_function=lambda *_: None)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1)


def test_polygons_keep_holes_and_parts(tmp_path: Path) -> None:
    objects = ragged()
    path = tmp_path / "a.geojson"
    assert write_object_polygons(path, objects, THINGS) == 4
    features = json.loads(path.read_text())["features"]
    kinds = [feature["geometry"]["type"] for feature in features]
    assert "MultiPolygon" in kinds
    assert kinds[-1] == "Polygon"
    for number, feature in enumerate(features):
        assert feature["properties"]["id"] == number + 1
        assert feature["properties"]["name"] == THINGS.names[objects.labels[number]]
        area = sum(_signed(ring) for polygon in _polygons(feature["geometry"]) for ring in polygon)
        assert area == feature["properties"]["area"] == objects.areas[number]  # holes run the other way


def test_polygons_lie_on_the_map(tmp_path: Path) -> None:
    mask = BoxMask(np.ones((2, 3), np.bool_), 4, 5, SIZE)
    where = Georeference.from_transform((2.0, 0.0, 100.0, 0.0, -2.0, 500.0), epsg=32633)
    write_object_polygons(tmp_path / "a.geojson", Instances.of_masks(SIZE, [mask], [0]), THINGS, georeference=where)
    written = json.loads((tmp_path / "a.geojson").read_text())
    assert written["crs"]["properties"]["name"].endswith("32633")
    (ring,) = written["features"][0]["geometry"]["coordinates"]
    assert _signed(ring) == 2 * 3 * 4
    assert np.min(ring, 0).tolist() == [110, 500 - 2 * 6]
    assert np.max(ring, 0).tolist() == [116, 500 - 2 * 4]
    assert written["features"][0]["properties"]["score"] is None


def test_the_table_measures_every_object(tmp_path: Path) -> None:
    objects = ragged()
    assert write_object_table(tmp_path / "t.csv", [listed("a.png", objects), listed("b.png", objects)], THINGS) == 8
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == OBJECT_COLUMNS
    assert [row["picture"] for row in rows] == ["a.png"] * 4 + ["b.png"] * 4
    assert objects.masks is not None
    for number, mask in enumerate(objects.masks):
        y, x = np.nonzero(mask.full())
        row = rows[number]
        assert float(row["area"]) == len(y)
        assert float(row["centroid_x"]) == pytest.approx(x.mean() + 0.5, abs=0.01)
        assert float(row["centroid_y"]) == pytest.approx(y.mean() + 0.5, abs=0.01)
        assert (int(row["left"]), int(row["bottom"])) == (x.min(), y.max() + 1)


def test_names_of_strangers_are_no_formulas_in_the_table(tmp_path: Path) -> None:
    space = LabelSpace(("=1+1", "-dot"), colors=THINGS.colors)
    write_object_table(tmp_path / "t.csv", [listed("@a.png", ragged())], space)
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["picture"], row["class"]) for row in rows} == {("'@a.png", "'=1+1"), ("'@a.png", "'-dot")}


def test_boxes_without_masks_are_written_as_boxes(tmp_path: Path) -> None:
    boxes = Instances((20, 20), np.array([1]), np.array([[2.5, 3, 7.5, 9]], np.float32))
    write_coco(tmp_path / "c.json", lambda: [listed("a.png", boxes)], THINGS)
    (annotation,) = json.loads((tmp_path / "c.json").read_text())["annotations"]
    assert annotation["bbox"] == [2.5, 3, 5, 6]
    assert annotation["area"] == 30
    assert annotation["segmentation"] == []
    assert "score" not in annotation
    write_object_polygons(tmp_path / "a.geojson", boxes, THINGS)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert _signed(feature["geometry"]["coordinates"][0]) == 30


def test_lists_of_a_picture_come_back(tmp_path: Path) -> None:
    objects = ragged()
    write_records(tmp_path / "list", PictureRecord("a.png", *SIZE), object_records(objects))
    assert read_picture(tmp_path / "list") == PictureRecord("a.png", *SIZE)
    assert list(read_records(tmp_path / "list")) == list(object_records(objects))
    write_records(tmp_path / "none", PictureRecord("b.png", *SIZE), [])
    assert list(read_records(tmp_path / "none")) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [b'{"name": "a'],
        lambda lines: [lines[0], lines[1].replace(b'"label": ', b'"label": 1'), *lines[2:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: lines[:-1],
        lambda lines: lines[:1],
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]]) -> None:
    path = tmp_path / "list"
    write_records(path, PictureRecord("a.png", *SIZE), object_records(ragged()))
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(DataError, match=r"list: .*damaged"):
        _ = read_picture(path), list(read_records(path))


_MANY = """
import resource, sys, numpy as np
from pathlib import Path
from test_object_files import THINGS, listed, many
from pixelwise.io.shapes.coco import write_coco
from pixelwise.io.shapes.table import write_object_table
from pixelwise.io.shapes.polygons import write_object_polygons
import pixelwise.ops.rle
out = Path(sys.argv[1])
write_coco(out / "small.json", lambda: [listed("a.tif", many(10))], THINGS)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
objects = many(1000)
write_coco(out / "c.json", lambda: [listed("a.tif", objects)], THINGS)
write_object_table(out / "t.csv", [listed("a.tif", objects)], THINGS)
write_object_polygons(out / "a.geojson", objects, THINGS)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def many(count: int) -> Instances:
    """Discs of 100 pixels across on a picture of 20,000 x 20,000."""
    size = (20_000, 20_000)
    y, x = np.mgrid[:100, :100]
    disc = np.hypot(y - 49.5, x - 49.5) < 50
    rng = np.random.default_rng(0)
    places = rng.integers(0, 19_900, (count, 2)).tolist()
    masks = [BoxMask(disc.copy(), top, left, size) for top, left in places]
    return Instances.of_masks(size, masks, rng.integers(0, 2, count), scores=rng.random(count))


def test_a_thousand_objects_on_a_huge_picture_take_little_memory(tmp_path: Path) -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", _MANY, tmp_path], cwd=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 60  # MiB; a mask of the whole picture is 381
    assert len(json.loads((tmp_path / "c.json").read_text())["annotations"]) == 1000


def _polygons(geometry: dict) -> list:
    return geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]


def _signed(ring: list) -> float:
    x, y = np.array(ring)[:-1].T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
