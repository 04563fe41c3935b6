from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from pixelwise.data.layouts.objects.id_masks import IdMask
from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.types import LabelSpace


@pytest.fixture
def ids() -> np.ndarray:
    """A map of 6x8 pixels with objects 3, 700 and 65535; two of them touch, one is a single pixel."""
    ids = np.zeros((6, 8), np.uint16)
    ids[1:4, 1:3] = 3
    ids[1:3, 3:6] = 700
    ids[5, 7] = 65535
    return ids


@pytest.mark.parametrize("pattern", ["{kind}/{name}.png", "{kind}/{split}/{name}.png", "{split}/{kind}/{name}.png"])
def test_ids_become_objects_of_one_class(tmp_path: Path, write: Any, image: Any, ids: Any, pattern: str) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        write(pattern.format(kind="images", split=split, name=name), image)
        write(pattern.format(kind="instance_masks", split=split, name=name), ids)
    source = open_data(tmp_path)
    assert source.layout == "id masks"
    assert source.has_objects
    assert source.label_space.names == ("object",)
    assert [pair.mask for pair in source.pairs] == [None, None]
    reader = source.split("val")[0].objects
    assert reader is not None
    objects = pickle.loads(pickle.dumps(reader)).read()
    assert objects.labels.tolist() == [0, 0, 0]
    assert objects.boxes.tolist() == [[1, 1, 3, 4], [3, 1, 6, 3], [7, 5, 8, 6]]
    assert objects.masks is not None
    np.testing.assert_array_equal(objects.masks[1].full(), ids == 700)


def test_semantic_gives_a_background_before_the_objects(tmp_path: Path, write: Any, image: Any, ids: Any) -> None:
    write("images/a.png", image)
    write("instance_masks/a.png", ids)
    write("classes.txt", "nucleus")
    source = open_data(tmp_path)
    assert source.label_space.names == ("nucleus",)
    assert source.semantic().label_space.names == ("background", "nucleus")
    assert source.semantic().label_space.background == 0
    assert source.semantic().semantic().label_space == source.semantic().label_space
    write("classes.txt", "a\nb")
    with pytest.raises(DataError, match=r"classes\.txt: it names 2 classes"):
        open_data(tmp_path)


def test_an_empty_picture_has_no_objects(tmp_path: Path, write: Any, image: Any, ids: Any) -> None:
    write("images/a.png", image)
    write("instance_masks/a.png", ids * 0)
    objects = open_data(tmp_path).pairs[0].objects
    assert objects is not None
    assert len(objects.read()) == 0


def test_what_does_not_fit_is_named(tmp_path: Path, write: Any, image: Any, ids: Any) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
    write("instance_masks/a.png", ids[:, :5])
    with pytest.raises(DataError, match=r"1 of 2 pictures of split all has no mask: images/b\.png"):
        open_data(tmp_path)
    write("instance_masks/b.png", ids)
    with pytest.raises(DataError, match=r"images/a\.png 6x8 with annotation 6x5"):
        open_data(tmp_path)
    write("instance_masks/a.png", image)
    objects = next(pair.objects for pair in open_data(tmp_path).pairs if pair.id == "images/a.png")
    assert objects is not None
    with pytest.raises(DataError, match=r"a\.png: it holds RGB colours"):
        objects.read()


def test_unnamed_objects_fit_a_model_of_one_class(tmp_path: Path, write: Any, image: Any, ids: Any) -> None:
    write("images/a.png", image)
    write("instance_masks/a.png", ids)
    for space in (LabelSpace(("cell",)), LabelSpace(("background", "cell"), background=0)):
        source = open_data(tmp_path, label_space=space)
        assert source.label_space == space
        assert source.pairs[0].objects is not None
        assert source.pairs[0].objects.read().labels.tolist() == [0, 0, 0]
    with pytest.raises(DataError, match=r"not know: object \(it knows cell, stone\)"):
        open_data(tmp_path, label_space=LabelSpace(("cell", "stone")))


def test_folders_named_in_a_description(tmp_path: Path, write: Any, image: Any, ids: Any) -> None:
    write("photos/a.png", image)
    write("cells/a.png", ids)
    write("dataset.yaml", "images: photos\nobjects: cells\nclasses: [cell]")
    source = open_data(tmp_path)
    assert source.has_objects
    assert source.label_space.names == ("cell",)
    write("dataset.yaml", "objects: cells")
    with pytest.raises(DataError, match="`images` is missing; give `images` and `objects` together"):
        open_data(tmp_path)
    write("dataset.yaml", "images: photos\nobjects: cells\nmasks: cells")
    with pytest.raises(DataError, match="`masks` and `objects` are both given"):
        open_data(tmp_path)


def test_the_nuclei(pictures: Path) -> None:
    source = open_data(pictures / "nuclei")
    assert len(source.pairs) == 393
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 318, "val": 75}
    counts = [len(pair.objects.read()) for pair in source.pairs if pair.objects is not None]
    assert max(counts) == 375
    assert min(counts) > 0


def test_what_is_not_annotated_is_no_object(tmp_path: Path) -> None:
    ids = np.zeros((8, 8), np.int16)
    ids[:2] = -1
    tifffile.imwrite(tmp_path / "ids.tif", ids)
    with pytest.raises(DataError, match="-1 or NaN"):
        IdMask(tmp_path / "ids.tif").read()
