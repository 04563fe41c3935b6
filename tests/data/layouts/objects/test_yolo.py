from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.locate import locate
from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.instances import Instances

SQUARE = "1 0.125 0.1666667 0.5 0.1666667 0.5 0.6666667 0.125 0.6666667\n"  # x 1 .. 4 of 8, y 1 .. 4 of 6


def read(folder: Path, name: str = "a") -> Instances:
    reader = next(pair.objects for pair in open_data(folder).pairs if pair.image.stem == name)
    assert reader is not None
    return pickle.loads(pickle.dumps(reader)).read()


@pytest.mark.parametrize(
    ("pattern", "splits"),
    [
        ("{kind}/{split}/{name}", {"train": 1, "val": 1}),
        ("{split}/{kind}/{name}", {"train": 1, "val": 1}),
        ("{kind}/{name}", {"train": 1, "val": 1}),
    ],
)
@pytest.mark.parametrize("names", ["names: [nut, fig]", "nc: 2\nnames:\n  1: fig\n  0: nut"])
def test_polygons_and_boxes(
    tmp_path: Path, write: Any, image: Any, pattern: str, splits: dict[str, int], names: str
) -> None:
    for split, name in (("train", "a"), ("valid", "b")):
        write(pattern.format(kind="images", split=split, name=name) + ".jpg", image)
        write(pattern.format(kind="labels", split=split, name=name) + ".txt", SQUARE + "\n0 0.75 0.5 0.25 0.3333333")
    write("data.yaml", f"path: ../elsewhere\ntrain: images/train\n{names}\n")
    source = open_data(tmp_path)
    assert source.layout == "yolo"
    assert source.label_space.names == ("nut", "fig")
    assert {split: len(pairs) for split, pairs in source.splits.items()} == splits
    objects = read(tmp_path)
    assert objects.labels.tolist() == [1, 0]
    assert objects.masks is not None
    square, rectangle = np.zeros((6, 8), np.bool_), np.zeros((6, 8), np.bool_)
    square[1:4, 1:4] = rectangle[2:4, 5:7] = True
    np.testing.assert_array_equal(objects.masks[0].full(), square)
    np.testing.assert_array_equal(objects.masks[1].full(), rectangle)


def test_boxes_alone_names_by_number_and_pictures_without_a_file(tmp_path: Path, write: Any, image: Any) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
    write("labels/a.txt", "2 0.5 0.5 0.5 0.5\n")
    source = open_data(tmp_path)
    assert source.label_space.names == ("class 0", "class 1", "class 2")
    assert "pictures without a label file, taken as empty: 1" in source.notes
    objects = read(tmp_path)
    assert objects.masks is None
    np.testing.assert_allclose(objects.boxes, [[2, 1.5, 6, 4.5]])
    assert len(read(tmp_path, "b")) == 0
    write("classes.txt", "x\ny\nz")
    assert open_data(tmp_path).label_space.names == ("x", "y", "z")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.1 0.1 0.5 0.1 0.5 0.5\nnut 0.1 0.1 0.2 0.2", "line 2: expected a class index and numbers"),
        ("7 0.1 0.1 0.2 0.2", "line 1: class 7, but there are 2 classes"),
        ("0 10 10 50 10 50 50", "line 1: coordinates are shares of the picture, 0 .. 1; one is 50"),
        ("0 nan 0.1 0.2 0.2", "line 1: coordinates are shares"),
        ("0 0.1 0.1 0.2 0.2 0.3", "line 1: 5 numbers"),
        ("0 0.1 0.1 -0.2 0.2", "line 1: the box has width -0.2"),
    ],
)
def test_lines_that_make_no_sense(tmp_path: Path, write: Any, image: Any, text: str, message: str) -> None:
    write("images/a.png", image)
    write("labels/a.txt", text)
    write("data.yaml", "names: [nut, fig]")
    with pytest.raises(DataError, match=r"labels/a\.txt: " + message):
        read(tmp_path)


@pytest.mark.parametrize("text", ["names: 3", "- nut", "names: {1: nut, 2: fig}", "names: [nut, nut]", "names: ["])
def test_a_description_that_makes_no_sense(tmp_path: Path, write: Any, image: Any, text: str) -> None:
    write("images/a.png", image)
    write("labels/a.txt", SQUARE)
    write("data.yaml", text)
    with pytest.raises(DataError, match=r"data\.yaml: "):
        open_data(tmp_path)


def test_labels_that_are_masks_are_no_yolo(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("labels/a.png", mask)
    assert open_data(tmp_path).layout == "folder"


def test_a_description_lists_the_classes_that_nothing_names_or_names_wrongly(
    tmp_path: Path, write: Any, image: Any
) -> None:
    write("images/a.png", image)
    write("labels/a.txt", "1 .1 .1 .6 .1 .6 .6\n")
    assert any("nothing names the classes" in note for note in open_data(tmp_path).notes)
    write("dataset.yaml", "classes: [nut, fig, pea]\n")
    assert open_data(tmp_path).label_space.names == ("nut", "fig", "pea")
    write("classes.txt", "wrong\nnames\n")
    source = open_data(tmp_path)
    assert source.label_space.names == ("nut", "fig", "pea")
    assert source.pairs[0].objects is not None
    assert source.pairs[0].objects.read().labels.tolist() == [1]
    write("dataset.yaml", "classes: [nut]\n")
    with pytest.raises(DataError, match=r"a\.txt: it holds class 1, but `classes` of the dataset\.yaml lists 1 class"):
        open_data(tmp_path)


@pytest.mark.parametrize("above", ["C:\\Users\\me\\set\\", "/content/set/"])
def test_paths_of_another_machine_are_followed_by_their_ends(
    tmp_path: Path, write: Any, image: Any, above: str
) -> None:
    slash = above[-1]
    for number in range(3):
        write(f"images/all/{number}.png", image)
        write(f"labels/all/{number}.txt", "0 0.1 0.1 0.5 0.1 0.1 0.5\n")
    for split, numbers in (("train", (0, 2)), ("val", (1,))):
        lines = [slash.join([above + "images", "all", f"{number}.png"]) for number in numbers]
        write(f"{split}.txt", "\n".join(lines))
    write("coins.yaml", f"train: {above}train.txt\nval: {above}val.txt\nnames: [coin]\n")
    found = locate(tmp_path).found
    assert {name: len(pairs) for name, pairs in found.splits.items()} == {"train": 2, "val": 1}
    assert not found.guesses
