"""Objects written with the ids of a given file are what other tools score against it."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pixelwise.errors import DataError, SettingError
from pixelwise.inference.labelling.records import object_records
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.shapes.coco import write_coco
from pixelwise.io.shapes.coco_ids import CocoEntry, CocoIds
from pixelwise.io.shapes.records import PictureRecord
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("seed", "cell"))
SIZE = (40, 60)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A file whose ids neither count from 1 nor follow the order of the classes."""
    content = {
        "images": [
            {"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
            for name, number in (("train/a.jpg", 70), ("train/b.jpg", 33))
        ],
        "categories": [{"id": 90, "name": "cell"}, {"id": 7, "name": "seed"}],
        "annotations": [
            {"id": 1, "image_id": 70, "category_id": 90, "bbox": [5, 5, 12, 12], "area": 144, "iscrowd": 0},
            {"id": 2, "image_id": 33, "category_id": 7, "bbox": [20, 10, 10, 10], "area": 100, "iscrowd": 0},
        ],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return path


def found(left: int, top: int, side: int, label: int) -> Instances:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return Instances.of_masks(SIZE, [BoxMask.of(mask)], [label], scores=np.array([0.9], np.float32))


def test_another_tool_scores_the_result_against_the_file(given: Path, tmp_path: Path) -> None:
    pictures = [("b.jpg", found(20, 10, 10, 0)), ("a.jpg", found(5, 5, 12, 1))]
    ids = CocoIds.read(given)
    ids.check([name for name, _ in pictures], SPACE.names)
    path = tmp_path / "predictions.json"
    write_coco(
        path,
        lambda: ((PictureRecord(name, *SIZE), object_records(objects)) for name, objects in pictures),
        SPACE,
        like=ids,
    )
    written = json.loads(path.read_text())
    assert {image["file_name"]: image["id"] for image in written["images"]} == {"train/a.jpg": 70, "train/b.jpg": 33}
    assert {one["name"]: one["id"] for one in written["categories"]} == {"seed": 7, "cell": 90}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(given))
        scored = COCOeval(truth, truth.loadRes(written["annotations"]), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert scored.stats[0] == pytest.approx(1)


def test_what_has_no_id_is_named(given: Path, tmp_path: Path) -> None:
    ids = CocoIds.read(given)
    with pytest.raises(SettingError, match=r"like: .*instances\.json: no id for the picture c\.jpg: the file does not"):
        ids.check(["c.jpg"], SPACE.names)
    with pytest.raises(SettingError, match=r"its categories lack leaf \(it has cell, seed\)"):
        ids.check([], ("seed", "leaf"))
    content = json.loads(given.read_text())
    content["images"].append({"id": 1, "file_name": "val/a.jpg"})
    given.write_text(json.dumps(content))
    assert CocoIds.read(given).entry("val/a.jpg") == CocoEntry("val/a.jpg", 1)
    with pytest.raises(SettingError, match=r"several of that name \(train/a\.jpg, val/a\.jpg\)"):
        CocoIds.read(given).entry("a.jpg")


@pytest.mark.parametrize("text", ["[", "[]", '{"images": []}', '{"images": [3], "categories": []}'])
def test_files_that_give_no_ids(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=r"x\.json"):
        CocoIds.read(tmp_path / "x.json")


def test_two_pictures_that_would_be_the_same_one(given: Path) -> None:
    ids = CocoIds.read(given)
    for pictures in (["a.jpg", "other/a.jpg"], ["other/a.jpg", "train/a.jpg"]):
        both = " and ".join(pictures)
        with pytest.raises(SettingError, match=rf"json: {both} would both be its picture train/a\.jpg \(id 70\)"):
            ids.check([*pictures, "b.jpg"], SPACE.names)


@pytest.mark.parametrize(
    ("part", "entry", "message"),
    [
        ("images", {"id": 33, "file_name": "c.jpg"}, r"the id 33 is there twice \('train/b\.jpg', 'c\.jpg'\)"),
        ("categories", {"id": 7, "name": "leaf"}, r"the id 7 is there twice \('seed', 'leaf'\)"),
        ("images", {"id": 34, "file_name": "train/b.jpg"}, r"'train/b\.jpg' is there twice"),
        ("images", {"id": 34, "file_name": "c.jpg", "height": 40.5, "width": 60}, "height and width are 40.5 and 60"),
        ("images", {"id": 34, "file_name": "c.jpg", "height": "40", "width": 60}, "height and width are '40' and 60"),
        ("images", {"id": 34, "file_name": "c.jpg", "height": -40, "width": 60}, "height and width are -40 and 60"),
    ],
)
def test_entries_that_are_unclear(given: Path, part: str, entry: dict[str, object], message: str) -> None:
    content = json.loads(given.read_text())
    content[part].append(entry)
    given.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"instances\.json: .*{message}"):
        CocoIds.read(given)


def test_pictures_are_as_large_as_the_file_says(given: Path, tmp_path: Path) -> None:
    content = json.loads(given.read_text())
    content["images"] += [{"id": 1, "file_name": "c.jpg"}, {"id": 2, "file_name": "d.jpg", "height": 0, "width": 0}]
    given.write_text(json.dumps(content))
    ids = CocoIds.read(given)
    assert ids.entry_of_size("a.jpg", SIZE).id == 70
    assert [ids.entry_of_size(name, (3, 4)).id for name in ("c.jpg", "d.jpg")] == [1, 2], "no size is stated"
    other = (SIZE[1], SIZE[0])
    message = r"instances\.json: train/a\.jpg \(id 70\) has 40x60 pixels .* but the picture a\.jpg has 60x40"
    with pytest.raises(DataError, match=message):
        ids.entry_of_size("a.jpg", other)
    with pytest.raises(DataError, match=message):
        write_coco(tmp_path / "out.json", lambda: [(PictureRecord("a.jpg", *other), iter([]))], SPACE, like=ids)
    assert not (tmp_path / "out.json").exists()
