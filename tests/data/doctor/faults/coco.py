"""Faults of COCO JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from faults.sets import coco, write
from faults.table import fault

TRAIN, VAL = "annotations/instances_train.json", "annotations/instances_val.json"


def _read(root: Path, name: str = TRAIN) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / name).read_text())
    return content


@fault(
    coco, "no_objects", "note", "12 of 24 pictures have no object, images/12.png among them", with_it=["class_absent"]
)
def file_without_annotations(root: Path) -> None:
    content = _read(root, VAL)
    del content["annotations"]
    write(root / VAL, content)


@fault(coco, "not_understood", "error", "instances_train.json: the JSON is damaged (it ends too early)")
def json_that_is_cut_off(root: Path) -> None:
    text = (root / TRAIN).read_text()
    write(root / TRAIN, text[: len(text) // 2])


@fault(coco, "unreadable", "error", "instances_train.json: annotation 7: category_id is 9")
def category_that_is_unknown(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["category_id"] = 9
    write(root / TRAIN, content)


@fault(coco, "annotation_without_picture", "error", "instances_train.json: annotation 7: image_id is 900")
def annotation_of_a_picture_that_is_not_listed(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["image_id"] = 900
    write(root / TRAIN, content)


@fault(coco, "unreadable", "error", "1 of its 12 pictures is missing: image 3 '3.png'")
def picture_that_is_listed_but_not_there(root: Path) -> None:
    (root / "images/3.png").unlink()


@fault(
    coco,
    "mask_not_used",
    "note",
    "annotations/instances_val.json is not used: none of its 12 pictures is here",
    with_it=["guessed"],
)
def file_of_which_no_picture_is_there(root: Path) -> None:
    for number in range(12, 24):
        (root / f"images/{number}.png").unlink()


@fault(coco, "not_understood", "error", "instances_train.json: image 3: the id is there twice")
def id_of_a_picture_that_is_there_twice(root: Path) -> None:
    content = _read(root)
    content["images"][4]["id"] = 3
    write(root / TRAIN, content)


@fault(coco, "not_understood", "error", "instances_train.json: 'images/3.png' is annotated twice in split train")
def picture_that_is_listed_twice(root: Path) -> None:
    content = _read(root)
    content["images"].append({**content["images"][3], "id": 900})
    write(root / TRAIN, content)


@fault(coco, "not_understood", "error", "categories: the id 1 is there twice ('square', 'bar')")
def id_of_a_category_that_is_there_twice(root: Path) -> None:
    content = _read(root)
    content["categories"][1]["id"] = 1
    write(root / TRAIN, content)


@fault(coco, "not_understood", "error", "`categories` is empty")
def no_categories(root: Path) -> None:
    for name in (TRAIN, VAL):
        write(root / name, {**_read(root, name), "categories": [], "annotations": []})


@fault(coco, "size_differs", "error", "images/3.png 32x48 with annotation 48x32")
def stated_size_that_is_not_the_pictures(root: Path) -> None:
    content = _read(root)
    content["images"][3].update(width=32, height=48)
    write(root / TRAIN, content)


@fault(coco, "unreadable", "error", "annotation 7: its run lengths are for a picture of 64x96")
def run_lengths_of_another_size(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["segmentation"] = {"size": [64, 96], "counts": [0, 200, 64 * 96 - 200]}
    write(root / TRAIN, content)


@fault(coco, "unreadable", "error", "annotation 7")
def run_lengths_that_do_not_add_up(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["segmentation"] = {"size": [32, 48], "counts": [0, 200, 7]}
    write(root / TRAIN, content)


@fault(coco, "unreadable", "error", "annotation 7: segmentation: a polygon of 7 numbers")
def outline_of_an_odd_count_of_numbers(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["segmentation"] = [[2, 4, 14, 4, 14, 16, 2]]
    write(root / TRAIN, content)


@fault(coco, "unreadable", "error", "annotation 7: it has neither a segmentation nor a bbox")
def annotation_without_a_shape(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["segmentation"] = []
    write(root / TRAIN, content)


@fault(coco, "unreadable", "error", "annotation 7: segmentation: expected finite numbers, found nan")
def outline_that_is_not_finite(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["segmentation"] = [[2, 4, 14, float("nan"), 14, 16]]
    write(root / TRAIN, content)


@fault(coco, "unreadable", "error", "annotation 7: a point lies at 1e+09")
def outline_far_outside_of_the_picture(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["segmentation"] = [[2, 4, 1e9, 4, 14, 16]]
    write(root / TRAIN, content)


@fault(coco, "guessed", "warning", "everything.json is left out, because it is called as no split")
def file_that_is_called_as_no_split(root: Path) -> None:
    write(root / "annotations/everything.json", _read(root))


@fault(coco, "class_absent", "warning", "split val has no object of bar")
def category_that_validation_lacks(root: Path) -> None:
    content = _read(root, VAL)
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] == 1]
    write(root / VAL, content)


@fault(coco, "copy_across_splits", "error", "images/3.png")
def picture_in_two_files(root: Path) -> None:
    train, val = _read(root), _read(root, VAL)
    val["images"].append({**train["images"][3], "id": 900})
    val["annotations"].append({**train["annotations"][6], "image_id": 900})
    write(root / VAL, val)


@fault(coco, "mask_not_used", "note", "annotations/captions_train.json")
def captions_beside_outlines(root: Path) -> None:
    write(root / "annotations/captions_train.json", _read(root))


@fault(coco, "tiny_objects", "note", "images/3.png")
def outline_of_two_corners(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["segmentation"] = [[2, 4, 14, 16]]
    write(root / TRAIN, content)


@fault(coco, "picture_not_used", "note", "images/90.png")
def picture_that_no_file_lists(root: Path) -> None:
    (root / "images/90.png").write_bytes((root / "images/3.png").read_bytes())


@fault(coco, "no_training_pictures", "error", "no split has pictures to learn from; there is val (12 pictures)")
def training_pictures_that_are_not_there(root: Path) -> None:
    for number in range(12):
        (root / f"images/{number}.png").unlink()


@fault(coco, "alike_classes", "warning", "instances_train.json: the categories 2, 9 are all called 'bar'")
def categories_of_one_name(root: Path) -> None:
    content = _read(root)
    content["categories"].append({"id": 9, "name": "bar"})
    write(root / TRAIN, content)


@fault(coco, "guessed", "warning", "instances_train.json: 1 annotation has an image_id of another type")
def image_id_that_is_text(root: Path) -> None:
    content = _read(root)
    content["annotations"][7]["image_id"] = str(content["annotations"][7]["image_id"])
    write(root / TRAIN, content)


@fault(coco, "guessed", "warning", "1 object is given as a box among others that have outlines")
def box_without_an_outline(root: Path) -> None:
    content = _read(root)
    content["annotations"][7] |= {"segmentation": [], "bbox": [2, 4, 12, 12]}
    write(root / TRAIN, content)
