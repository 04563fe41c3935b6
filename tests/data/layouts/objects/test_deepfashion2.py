from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.layouts.objects.deepfashion2 import DEEPFASHION2_CLASSES
from pixelwise.data.source import open_data
from pixelwise.errors import DataError

SKIRT = {
    "category_id": 9,
    "category_name": "skirt",
    "segmentation": [[1, 1, 4, 1, 4, 4, 1, 4], [5, 0, 7, 0, 7, 3, 5, 3]],
}


@pytest.mark.parametrize("base", ["", "train/"])
def test_garments_of_several_parts(tmp_path: Path, write: Any, image: Any, base: str) -> None:
    for name in ("000001", "000002"):
        write(f"{base}image/{name}.jpg", image)
        top = {"category_id": 1, "bounding_box": [0, 0, 3, 2], "segmentation": [[0, 0, 3, 0, 3, 2, 0, 2]]}
        write(f"{base}annos/{name}.json", json.dumps({"source": "shop", "pair_id": 3, "item1": SKIRT, "item2": top}))
    source = open_data(tmp_path)
    assert source.layout == "deepfashion2"
    assert source.label_space.names == DEEPFASHION2_CLASSES
    assert len(set(DEEPFASHION2_CLASSES)) == 13
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 1, "val": 1}
    reader = source.pairs[0].objects
    assert reader is not None
    objects = pickle.loads(pickle.dumps(reader)).read()
    assert [DEEPFASHION2_CLASSES[label] for label in objects.labels] == ["skirt", "short sleeve top"]
    skirt = np.zeros((6, 8), np.bool_)
    skirt[1:4, 1:4] = skirt[0:3, 5:7] = True
    assert objects.masks is not None
    np.testing.assert_array_equal(objects.masks[0].full(), skirt)
    assert objects.boxes.tolist() == [[1, 0, 7, 4], [0, 0, 3, 2]]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({**SKIRT, "category_id": 14}, r"item1: category_id is 14; expected 1 \.\. 13"),
        ({**SKIRT, "segmentation": [[1, 2, 3]]}, "item1: segmentation: a polygon of 3 numbers"),
        ({"category_id": 3}, "item1: it has neither a segmentation nor a bounding_box"),
        ([], "item1: expected keys and values"),
    ],
)
def test_items_that_make_no_sense(tmp_path: Path, write: Any, image: Any, item: Any, message: str) -> None:
    write("image/1.jpg", image)
    write("annos/1.json", json.dumps({"item1": item}))
    reader = open_data(tmp_path).pairs[0].objects
    assert reader is not None
    with pytest.raises(DataError, match=r"1\.json: " + message):
        reader.read()


def test_missing_and_damaged_files(tmp_path: Path, write: Any, image: Any) -> None:
    write("image/1.jpg", image)
    write("image/2.jpg", image)
    write("annos/1.json", "{")
    with pytest.raises(DataError, match=r"1 of 2 pictures of split all has no mask: image/2\.jpg"):
        open_data(tmp_path)
    write("annos/2.json", "{}")
    readers = {pair.image.stem: pair.objects for pair in open_data(tmp_path).pairs}
    assert readers["1"] is not None
    assert readers["2"] is not None
    assert len(readers["2"].read()) == 0
    with pytest.raises(DataError, match=r"1\.json: the JSON is damaged"):
        readers["1"].read()
