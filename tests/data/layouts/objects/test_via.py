from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.instances import Instances

SQUARE = {"name": "polygon", "all_points_x": [1, 4, 4, 1], "all_points_y": [1, 1, 4, 4]}


def via(regions: list[dict[str, Any]], name: str = "a.png", *, project: bool = False, version: int = 2) -> str:
    """A file of VIA with one picture; regions are shapes, with ``is`` for their attributes."""
    listed = [
        {"shape_attributes": one, "region_attributes": one.pop("is", {"class": "nut"})} for one in map(dict, regions)
    ]
    kept: Any = dict(enumerate(listed)) if version == 1 else listed
    entries = {f"{name}123": {"filename": name, "size": 123, "regions": kept, "file_attributes": {}}}
    return json.dumps({"_via_settings": {}, "_via_img_metadata": entries} if project else entries)


def read(folder: Path, name: str = "a") -> Instances:
    reader = next(pair.objects for pair in open_data(folder).pairs if pair.image.stem == name)
    assert reader is not None
    return reader.read()


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("version", [1, 2])
def test_shapes(tmp_path: Path, write: Any, image: Any, project: bool, version: int) -> None:
    shapes = [
        SQUARE,
        {"name": "rect", "x": 5, "y": 0, "width": 2, "height": 3, "is": {"class": "fig"}},
        {**SQUARE, "name": "polyline"},
    ]
    write("a.png", image)
    write("via_region_data.json", via(shapes, project=project, version=version))
    source = open_data(tmp_path)
    assert source.layout == "via"
    assert source.label_space.names == ("fig", "nut")
    objects = read(tmp_path)
    assert objects.labels.tolist() == [1, 0, 1]
    assert objects.boxes.tolist() == [[1, 1, 4, 4], [5, 0, 7, 3], [1, 1, 4, 4]]
    assert objects.areas.tolist() == [9, 6, 9]


@pytest.mark.parametrize("kind", ["circle", "ellipse"])
def test_round_shapes_hold_the_pixels_within(tmp_path: Path, write: Any, kind: str) -> None:
    write("a.png", np.zeros((60, 80), np.uint8))
    shape = {"name": kind, "cx": 40.5, "cy": 30.5}
    shape |= {"r": 20} if kind == "circle" else {"rx": 30, "ry": 10, "theta": np.pi / 6}
    write("via.json", via([shape]))
    rows, columns = np.mgrid[:60, :80]
    x, y = columns - 40, rows - 30
    along, across = x * np.cos(np.pi / 6) + y * np.sin(np.pi / 6), y * np.cos(np.pi / 6) - x * np.sin(np.pi / 6)
    within = np.hypot(x, y) <= 20 if kind == "circle" else np.hypot(along / 30, across / 10) <= 1
    objects = read(tmp_path)
    assert objects.masks is not None
    assert (objects.masks[0].full() != within).sum() < 0.08 * within.sum()


def test_splits_and_empty_pictures(tmp_path: Path, write: Any, image: Any) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        write(f"{split}/{name}.png", image)
        write(f"{split}/via_region_data.json", via([SQUARE] if name == "a" else [], f"{name}.png"))
    source = open_data(tmp_path)
    assert {split: len(pairs) for split, pairs in source.splits.items()} == {"train": 1, "val": 1}
    assert "pictures without objects: 1" in source.notes
    assert len(read(tmp_path, "b")) == 0


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({}, "object"),
        ({"material": "brick"}, "brick"),
        ({"colour": "red", "Type": "nut"}, "nut"),
        ({"label": {"nut": True, "fig": False}}, "nut"),
    ],
)
def test_what_names_the_class(tmp_path: Path, write: Any, image: Any, attributes: dict[str, Any], name: str) -> None:
    write("a.png", image)
    write("via.json", via([{**SQUARE, "is": attributes}]))
    assert open_data(tmp_path).label_space.names == (name,)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"name": "point", "cx": 1, "cy": 2}, r"region 1 of a\.png: a shape of type 'point' has no area"),
        ({"name": "circle", "cx": 1, "cy": 2}, r"region 1 of a\.png: cx, cy, r: expected finite numbers, found None"),
        ({"name": "circle", "cx": 1, "cy": 2, "r": -3}, "below 0"),
        ({**SQUARE, "all_points_x": [1, 2]}, "2 values of x but 4 of y"),
        ({**SQUARE, "all_points_x": [1, 2], "all_points_y": [1, 2]}, "a polygon of 2 points has no area"),
        ({**SQUARE, "name": []}, r"region 1 of a\.png: a shape of type \[\]"),
        ({**SQUARE, "is": 3}, r"a region of a\.png: region_attributes: expected keys and values, found 3"),
        ({**SQUARE, "is": {"class": ""}}, "its attribute 'class' does not name one class"),
        ({**SQUARE, "is": {"label": {"nut": True, "fig": True}}}, "its attribute 'label' does not name one class"),
        ({**SQUARE, "is": {"colour": "red", "shape": "round"}}, "regions have the attributes colour, shape"),
    ],
)
def test_regions_that_make_no_sense(tmp_path: Path, write: Any, image: Any, shape: Any, message: str) -> None:
    write("a.png", image)
    write("via.json", via([shape]))
    with pytest.raises(DataError, match=r"via\.json: .*" + message):
        open_data(tmp_path)


@pytest.mark.parametrize(
    "shape",
    [
        {"name": "ellipse", "cx": 1e308, "cy": 0, "rx": 1e308, "ry": 1, "theta": 1},
        {"name": "circle", "cx": 1, "cy": 2, "r": 1e308},
        {"name": "circle", "cx": 1, "cy": 2, "r": 2**64},
        {"name": "rect", "x": 1e308, "y": 0, "width": 1e308, "height": 1},
    ],
)
def test_shapes_beyond_all_bounds_are_refused_when_drawn(tmp_path: Path, write: Any, image: Any, shape: Any) -> None:
    write("a.png", image)
    write("via.json", via([shape]))
    (pair,) = {pair.id: pair for pair in open_data(tmp_path).pairs}.values()
    assert pair.objects is not None
    with pytest.raises(DataError, match=r"via\.json: region 1 of a\.png: a point lies at"):
        pair.objects.read()


def test_a_missing_picture_and_one_annotated_twice(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("via.json", via([SQUARE], "b.png"))
    with pytest.raises(DataError, match=r"via\.json: the picture 'b\.png' is in none of"):
        open_data(tmp_path)
    write("via.json", via([SQUARE]))
    write("via_2.json", via([SQUARE]))
    with pytest.raises(DataError, match=r"via_2\.json: a\.png is annotated twice"):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("attributes", "guessed"), [({"type": "nut", "colour": "red"}, True), ({"type": "nut"}, False)]
)
def test_an_attribute_taken_among_others_is_a_guess(
    tmp_path: Path, write: Any, image: Any, attributes: dict[str, Any], guessed: bool
) -> None:
    write("a.png", image)
    write("via.json", via([{**SQUARE, "is": attributes}]))
    source = open_data(tmp_path)
    assert source.label_space.names == ("nut",)
    assert [finding.kind for finding in source.findings if finding.gravity == "warning"] == ["guessed"] * guessed


def test_a_description_says_which_attribute_names_the_class(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("via.json", via([{**SQUARE, "is": {"type": "nut", "name": "hazel"}}]))
    with pytest.raises(DataError, match="regions have the attributes type, name, and it is unclear"):
        open_data(tmp_path)
    write("dataset.yaml", "attribute: name\n")
    source = open_data(tmp_path)
    assert source.label_space.names == ("hazel",)
    assert not [finding for finding in source.findings if finding.gravity == "warning"]
    write("dataset.yaml", "attribute: nam\n")
    with pytest.raises(DataError, match=r"`attribute`: .*'nam'.*name"):
        open_data(tmp_path)


def test_an_attribute_is_for_via_alone(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask)
    write("dataset.yaml", "attribute: name\n")
    with pytest.raises(DataError, match="`attribute` is for data of VIA, but the layout is folder"):
        open_data(tmp_path)
