from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.instances import Instances

SQUARE = [[1, 1], [4, 1], [4, 4], [1, 4]]


def labelme(shapes: list[dict[str, Any]], image: str = "a.png", **changes: Any) -> str:
    """A file of LabelMe for a picture of 6x8 pixels."""
    given = [{"label": "nut", "points": SQUARE, "shape_type": "polygon", "group_id": None, **one} for one in shapes]
    content = {"version": "5.4.1", "flags": {}, "shapes": given, "imagePath": image, "imageData": None}
    return json.dumps({**content, "imageHeight": 6, "imageWidth": 8, **changes})


def read(folder: Path, name: str = "a") -> Instances:
    reader = next(pair.objects for pair in open_data(folder).pairs if pair.image.stem == name)
    assert reader is not None
    return reader.read()


def masks(objects: Instances) -> list[np.ndarray]:
    assert objects.masks is not None
    return [mask.full() for mask in objects.masks]


@pytest.mark.parametrize("folder", ["", "images/", "train/", "images/train/", "train/images/"])
def test_a_json_beside_each_picture(tmp_path: Path, write: Any, image: Any, folder: str) -> None:
    for name in "abc":
        write(f"{folder}{name}.png", image)
    write(f"{folder}a.json", labelme([{}, {"label": "fig", "points": [[5, 0], [7, 3]], "shape_type": "rectangle"}]))
    write(f"{folder}b.json", labelme([], "b.png"))
    source = open_data(tmp_path)
    assert source.layout == "labelme"
    assert source.label_space.names == ("fig", "nut")
    assert sorted(pair.image.stem for pair in source.pairs) == ["a", "b"]
    assert {"pictures without a JSON, left out: 1", "pictures without objects: 1"} <= set(source.notes)
    objects = read(tmp_path)
    assert objects.labels.tolist() == [1, 0]
    assert objects.boxes.tolist() == [[1, 1, 4, 4], [5, 0, 7, 3]]
    assert len(read(tmp_path, "b")) == 0


def test_groups_join_parts_and_masks_keep_holes(tmp_path: Path, write: Any, image: Any) -> None:
    ring = np.ones((4, 5), np.bool_)
    ring[1:3, 2] = False
    packed = io.BytesIO()
    Image.fromarray(ring).save(packed, "PNG")
    shapes = [
        {"group_id": 1},
        {"label": "fig", "group_id": 1, "points": [[0, 5], [1, 5], [1, 6], [0, 6]]},
        {"group_id": 1, "points": [[6, 4], [8, 4], [8, 6], [6, 6]]},
        {
            "shape_type": "mask",
            "points": [[2, 1], [6, 4]],
            "mask": base64.b64encode(packed.getvalue()).decode(),
        },
        {"label": "__ignore__"},
    ]
    write("a.png", image)
    write("a.json", labelme(shapes))
    objects = read(tmp_path)
    assert objects.labels.tolist() == [1, 0, 1]
    joined, expected = np.zeros((6, 8), np.bool_), np.zeros((6, 8), np.bool_)
    joined[1:4, 1:4] = joined[4:6, 6:8] = True
    expected[1:5, 2:7] = ring
    np.testing.assert_array_equal(masks(objects)[0], joined)
    np.testing.assert_array_equal(masks(objects)[2], expected)


def test_a_circle_holds_the_pixels_within_its_radius(tmp_path: Path, write: Any) -> None:
    write("a.png", np.zeros((60, 80), np.uint8))
    shapes = [{"points": [[40.5, 30.5], [40.5, 50.5]], "shape_type": "circle"}]
    write("a.json", labelme(shapes, imageHeight=60, imageWidth=80))
    rows, columns = np.mgrid[:60, :80]
    within = (rows - 30) ** 2 + (columns - 40) ** 2 <= 20**2
    differing = masks(read(tmp_path))[0] != within
    assert differing.sum() < 0.05 * within.sum()
    assert not differing[(rows - 30) ** 2 + (columns - 40) ** 2 < 18.5**2].any()


def test_annotations_in_a_folder_of_their_own(tmp_path: Path, write: Any, image: Any) -> None:
    write("images/a.png", image)
    write("annotations/a.json", labelme([{}], "..\\images\\a.png"))
    assert [pair.id for pair in open_data(tmp_path).pairs] == ["images/a.png"]
    write("annotations/a.json", labelme([{}], "../../outside.png"))
    with pytest.raises(DataError, match=r"a\.json: its picture \.\./\.\./outside\.png is missing"):
        open_data(tmp_path)


def test_class_list(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("a.json", labelme([{}]))
    write("classes.txt", "_background_\nnut\ndate")
    assert open_data(tmp_path).label_space.names == ("nut", "date")
    write("classes.txt", "date")
    with pytest.raises(DataError, match=r"a\.json: shape 1: there is no class 'nut'"):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"shape_type": "line", "points": [[1, 1], [2, 2]]}, r"shape 1 \('nut'\): a shape of type 'line' with 2"),
        ({"points": [[1, 1], [2, 2]]}, "type 'polygon' with 2 points"),
        ({"points": [[1, 1, 1]] * 3}, "expected 2 numbers, found 3"),
        ({"points": None}, "expected a list, found None"),
        ({"label": ""}, "shape 1: label is ''"),
        ({"shape_type": "mask", "mask": "!"}, "the mask is no PNG"),
    ],
)
def test_shapes_that_make_no_sense(tmp_path: Path, write: Any, image: Any, shape: Any, message: str) -> None:
    write("a.png", image)
    write("a.json", labelme([shape]))
    with pytest.raises(DataError, match=r"a\.json: .*" + message):
        open_data(tmp_path)


def test_a_mask_that_unpacks_to_more_than_the_picture_is_refused(tmp_path: Path, write: Any, image: Any) -> None:
    packed = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(packed, "PNG")
    assert len(packed.getvalue()) < 60_000
    shape = {"shape_type": "mask", "points": [[2, 1], [6, 4]], "mask": base64.b64encode(packed.getvalue()).decode()}
    write("a.png", image)
    write("a.json", labelme([shape], imageHeight=10**9, imageWidth=10**9))
    with pytest.raises(DataError, match=r"a\.json: shape 1 .*no larger than the picture"):
        open_data(tmp_path)


def test_a_mask_far_off_is_on_no_picture(tmp_path: Path, write: Any, image: Any) -> None:
    packed = io.BytesIO()
    Image.fromarray(np.ones((2, 2), np.bool_)).save(packed, "PNG")
    shape = {"shape_type": "mask", "mask": base64.b64encode(packed.getvalue()).decode()}
    write("a.png", image)
    write("a.json", labelme([{**shape, "points": [[1e308, -1e308]]}, {}]))
    assert len(read(tmp_path)) == 1
    write("a.json", labelme([{**shape, "points": [[2**63, -(2**64)]]}, {}]))
    assert len(read(tmp_path)) == 1


def test_sizes_and_damage(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("a.json", labelme([{}], imageHeight=8))
    with pytest.raises(DataError, match=r"a\.png 6x8 with annotation 8x8"):
        open_data(tmp_path)
    for height in (10**400, -6, 6.5, True):
        write("a.json", labelme([{}], imageHeight=height))
        with pytest.raises(DataError, match=r"a\.json: imageHeight and imageWidth: expected"):
            open_data(tmp_path)
    write("a.json", labelme([{}])[:-5])
    with pytest.raises(DataError, match=r"a\.json: the JSON is damaged"):
        open_data(tmp_path)
    write("a.json", labelme([]))
    with pytest.raises(DataError, match="none of 1 annotated picture has an object"):
        open_data(tmp_path)
