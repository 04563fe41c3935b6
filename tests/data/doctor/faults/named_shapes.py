"""Faults of LabelMe and VIA, which name the class of each shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from faults.sets import labelme, picture, save, via, write
from faults.table import fault

ONE, PROJECT = "train/3.json", "train/via_region_data.json"


def _read(root: Path, name: str = ONE) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / name).read_text())
    return content


def _change_shape(root: Path, **keys: Any) -> None:
    content = _read(root)
    content["shapes"][0].update(keys)
    write(root / ONE, content)


def _change_region(root: Path, **keys: Any) -> None:
    content = _read(root, PROJECT)
    content["3.png"]["regions"][0].update(keys)
    write(root / PROJECT, content)


@fault(labelme, "unreadable", "error", "3.json: the JSON is not in UTF-8")
def shapes_in_another_encoding(root: Path) -> None:
    text = (root / ONE).read_text().replace("square", "方形")
    (root / ONE).write_bytes(text.encode("gb18030"))


@fault(labelme, "size_differs", "error", "train/3.png 32x48 with annotation 64x96")
def shapes_of_a_picture_that_was_shrunk(root: Path) -> None:
    write(root / ONE, {**_read(root), "imageHeight": 64, "imageWidth": 96})


@fault(labelme, "no_objects", "note", "train/3.png")
def picture_without_shapes(root: Path) -> None:
    write(root / ONE, {**_read(root), "shapes": []})


@fault(labelme, "recognised", "note", "pictures without a JSON, left out: 1")
def picture_without_a_json(root: Path) -> None:
    (root / ONE).unlink()


@fault(labelme, "picture_not_used", "note", "train/90.png")
def picture_that_was_never_opened(root: Path) -> None:
    save(root / "train/90.png", picture(90))


@fault(labelme, "unreadable", "error", "train/3.json: its picture 3.png is missing")
def json_without_its_picture(root: Path) -> None:
    (root / "train/3.png").unlink()


@fault(labelme, "unreadable", "error", "3.json: shape 1 ('square'): a shape of type 'point' with 1 point has no area")
def shape_that_is_a_point(root: Path) -> None:
    _change_shape(root, shape_type="point", points=[[4, 4]])


@fault(labelme, "unreadable", "error", "3.json: shape 1 ('square'): a shape of type 'line' with 2 points has no area")
def shape_that_is_a_line(root: Path) -> None:
    _change_shape(root, shape_type="line", points=[[4, 4], [9, 9]])


@fault(labelme, "unreadable", "error", "3.json: shape 1: label is None")
def shape_without_a_label(root: Path) -> None:
    _change_shape(root, label=None)


@fault(
    labelme,
    "alike_classes",
    "warning",
    "'Square' (on 1 picture) and 'square' (on 23 pictures) differ only in how they are written, train/3.png among",
    with_it=["class_absent"],
)
def label_that_is_misspelt(root: Path) -> None:
    _change_shape(root, label="Square")


@fault(labelme, "unreadable", "error", "train/3.json: shape 1: there is no class 'Square'")
def label_that_the_list_of_classes_lacks(root: Path) -> None:
    write(root / "classes.txt", "square\nbar\n")
    _change_shape(root, label="Square")


@fault(labelme, "unreadable", "error", "3.json: the JSON is damaged (it ends too early)")
def json_of_one_picture_that_is_cut_off(root: Path) -> None:
    text = (root / ONE).read_text()
    write(root / ONE, text[:-20])


@fault(labelme, "unreadable", "error", "3.json: the JSON is damaged (it ends too early)")
def json_of_one_picture_that_is_empty(root: Path) -> None:
    write(root / ONE, "")


@fault(labelme, "unreadable", "error", "3.json: the JSON is damaged")
def json_of_one_picture_that_lacks_a_comma(root: Path) -> None:
    write(root / ONE, (root / ONE).read_text().replace(",", "", 1))


@fault(labelme, "outside_picture", "warning", "train/3.png")
def shape_beyond_the_picture(root: Path) -> None:
    _change_shape(root, points=[[2, 4], [70, 4], [70, 16], [2, 16]])


@fault(labelme, "crossing_outline", "warning", "train/3.png")
def shape_that_crosses_itself(root: Path) -> None:
    _change_shape(root, points=[[2, 4], [14, 16], [14, 4], [2, 16]])


@fault(via, "unreadable", "error", "via_region_data.json: region 1 of 3.png: its attribute 'class' does not name one")
def region_without_a_class(root: Path) -> None:
    _change_region(root, region_attributes={"class": ""})


@fault(via, "unreadable", "error", "region 1 of 3.png: a shape of type 'point' has no area")
def region_that_is_a_point(root: Path) -> None:
    _change_region(root, shape_attributes={"name": "point", "cx": 4, "cy": 4})


@fault(via, "unreadable", "error", "region 1 of 3.png: a polygon of 2 points has no area")
def region_of_two_points(root: Path) -> None:
    _change_region(root, shape_attributes={"name": "polygon", "all_points_x": [2, 9], "all_points_y": [4, 9]})


@fault(via, "unreadable", "error", "via_region_data.json: the picture '3.png' is in none of")
def picture_of_a_project_that_is_not_there(root: Path) -> None:
    (root / "train/3.png").unlink()


@fault(via, "not_understood", "error", "it is unclear which names the class")
def attributes_of_which_none_is_known(root: Path) -> None:
    content = _read(root, PROJECT)
    for entry in content.values():
        for region in entry["regions"]:
            region["region_attributes"] = {"quality": "good", "kind": "square"}
    write(root / PROJECT, content)


@fault(via, "unreadable", "error", "region 1 of 3.png: x: expected finite numbers, found 'left'")
def region_of_words(root: Path) -> None:
    shape = {"name": "polygon", "all_points_x": [2, "left", 9], "all_points_y": [4, 9, 9]}
    _change_region(root, shape_attributes=shape)
