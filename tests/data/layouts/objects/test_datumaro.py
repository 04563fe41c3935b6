"""Datumaro's own JSON: polygons, groups, run lengths and boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import masks

from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError
from pixelwise.ops import encode_rle

SQUARE = {"id": 0, "type": "polygon", "label_id": 1, "group": 0, "points": [2, 1, 6, 1, 6, 4, 2, 4]}


def content(*annotations: Any, path: str = "a.png") -> str:
    labels = [{"name": name, "parent": "", "attributes": []} for name in ("stem", "leaf")]
    item = {"id": "a", "annotations": list(annotations), "image": {"path": path, "size": [6, 8]}}
    return json.dumps({"info": {}, "categories": {"label": {"labels": labels}}, "items": [item]})


@pytest.fixture
def made(tmp_path: Path, write: Any, image: Any) -> Any:
    def made(*annotations: Any) -> DataSource:
        write("images/default/a.png", image)
        write("annotations/default.json", content(*annotations))
        return open_data(tmp_path)

    return made


def test_polygons(made: Any) -> None:
    source = made(SQUARE, {"id": 1, "type": "label", "label_id": 0})
    assert source.label_space.names == ("stem", "leaf")
    (mask,), labels = masks(source, "datumaro")
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    assert (mask == expected).all()
    assert labels == [1]


def test_a_group_is_one_object(made: Any) -> None:
    other = {**SQUARE, "points": [0, 5, 2, 5, 2, 6, 0, 6], "group": 7}
    (mask,), _ = masks(made({**SQUARE, "group": 7}, other), "datumaro")
    assert mask.sum() == 12 + 2


def test_run_lengths(made: Any) -> None:
    expected = np.zeros((6, 8), bool)
    expected[2:5, 1:3] = True
    expected[3, 6] = True
    (mask,), labels = masks(made({"id": 0, "type": "mask", "label_id": 0, "rle": encode_rle(expected)}), "datumaro")
    assert (mask == expected).all()
    assert labels == [0]


def test_boxes_alone_are_boxes(made: Any) -> None:
    reader = made({"id": 0, "type": "bbox", "label_id": 0, "bbox": [1, 2, 4, 2]}).pairs[0].objects
    assert reader is not None
    found = reader.read()
    assert found.masks is None
    assert found.boxes.tolist() == [[1, 2, 5, 4]]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"type": "bbox", "label_id": 0, "bbox": [1, 2, 4, 2]}, "a box among outlines"),
        ({"type": "points", "label_id": 0, "points": [1, 2]}, "an annotation of type 'points' has no area"),
        ({**SQUARE, "label_id": 2}, r"label_id is 2; expected 0 \.\. 1"),
        ({**SQUARE, "points": [1, 2, 3]}, "3 corners or more"),
    ],
)
def test_what_makes_no_sense_names_the_annotation(made: Any, one: Any, said: str) -> None:
    with pytest.raises(DataError, match=rf"default\.json: annotation 2 of a\.png: .*{said}"):
        made(SQUARE, one)


def test_subsets_are_splits(tmp_path: Path, write: Any, image: Any) -> None:
    for split in ("train", "val"):
        write(f"images/{split}/a.png", image)
        write(f"annotations/{split}.json", content(SQUARE))
    source = open_data(tmp_path)
    assert {name: [pair.id for pair in pairs] for name, pairs in source.splits.items()} == {
        "train": ["images/train/a.png"],
        "val": ["images/val/a.png"],
    }
    write("annotations/extra.json", content(SQUARE, path="val/a.png"))
    with pytest.raises(DataError, match=r"extra\.json: it stands beside the files of splits"):
        open_data(tmp_path)
