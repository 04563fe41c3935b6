"""CVAT for images: polygons, ellipses and run lengths of its XML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import masks

from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError

SQUARE = '<polygon label="leaf" points="2,1;6,1;6,4;2,4" z_order="0"/>'


def xml(*images: str, labels: tuple[str, ...] = ("stem", "leaf")) -> str:
    listed = "".join(f"<label><name>{name}</name><color>#ff0000</color></label>" for name in labels)
    meta = f"<meta><task><labels>{listed}</labels></task></meta>"
    head = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{head}<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>"


def one(name: str, *shapes: str, more: str = "") -> str:
    return f'<image id="0" name="{name}" {more} width="8" height="6">{"".join(shapes)}</image>'


@pytest.fixture
def task(tmp_path: Path, write: Any, image: Any) -> Any:
    """Write a task of one picture with shapes, and open it."""

    def task(*shapes: str) -> DataSource:
        write("images/a.png", image)
        write("annotations.xml", xml(one("a.png", *shapes)))
        return open_data(tmp_path)

    return task


def test_polygons_and_the_order_of_labels(task: Any) -> None:
    source = task(SQUARE)
    assert source.label_space.names == ("stem", "leaf")
    (mask,), labels = masks(source, "cvat")
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    assert (mask == expected).all()
    assert labels == [1]


def test_masks_are_run_lengths_row_by_row_in_their_box(task: Any) -> None:
    (mask,), labels = masks(
        task('<mask label="stem" rle="1, 2, 1, 4, 2, 2" left="3" top="2" width="4" height="3"/>'), "cvat"
    )
    expected = np.zeros((6, 8), bool)
    expected[2, 4:6] = True
    expected[3, 3:7] = True
    expected[4, 5:7] = True
    assert (mask == expected).all()
    assert labels == [0]


def test_ellipses_are_filled(task: Any) -> None:
    (mask,), _ = masks(task('<ellipse label="leaf" cx="4" cy="3" rx="3" ry="2" rotation="90"/>'), "cvat")
    assert mask.sum() == pytest.approx(np.pi * 6, abs=3)
    assert mask.any(1).sum() > mask.any(0).sum()  # turned upright


def test_boxes_alone_are_boxes(task: Any) -> None:
    source = task('<box label="leaf" xtl="1" ytl="2" xbr="5" ybr="4"/>')
    reader = source.pairs[0].objects
    assert reader is not None
    found = reader.read()
    assert found.masks is None
    assert found.boxes.tolist() == [[1, 2, 5, 4]]
    assert any("boxes without outlines" in note for note in source.notes)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ('<box label="leaf" xtl="1" ytl="2" xbr="5" ybr="4"/>', "a box among outlines"),
        ('<points label="leaf" points="1,1"/>', "a shape of type 'points' has no area"),
        ('<polygon label="leaf" points="1,1;2,2"/>', "3 corners or more"),
        ('<polygon label="leaf" points="1,1;2,x;3,3"/>', "expected numbers"),
        ('<polygon points="1,1;2,1;3,3"/>', "it has no label"),
        ('<mask label="stem" rle="1, 2" left="3" top="2" width="4" height="3"/>', "its runs make 3 pixels"),
    ],
)
def test_what_makes_no_sense_names_the_picture_and_the_shape(task: Any, shape: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"annotations\.xml: a\.png: shape 2.*{said}"):
        task(SQUARE, shape)


def test_subsets_are_splits_and_lie_in_folders(tmp_path: Path, write: Any, image: Any) -> None:
    for split in ("Train", "Validation"):
        write(f"images/{split}/a.png", image)
    images = (one("a.png", SQUARE, more=f'subset="{split}"') for split in ("Train", "Validation"))
    write("annotations.xml", xml(*images))
    source = open_data(tmp_path)
    assert {name: [pair.id for pair in pairs] for name, pairs in source.splits.items()} == {
        "train": ["images/Train/a.png"],
        "val": ["images/Validation/a.png"],
    }


def test_a_missing_picture_and_declared_entities_are_refused(tmp_path: Path, write: Any, image: Any) -> None:
    write("images/b.png", image)
    write("annotations.xml", xml(one("a.png", SQUARE)))
    with pytest.raises(DataError, match=r"the picture 'a\.png' is in none of"):
        open_data(tmp_path)
    write("annotations.xml", "<!DOCTYPE x>" + xml(one("b.png", SQUARE)))
    with pytest.raises(DataError, match="declares entities"):
        open_data(tmp_path)


def test_tracks_of_videos_are_refused(tmp_path: Path, write: Any, image: Any) -> None:
    write("images/a.png", image)
    write("annotations.xml", xml('<track id="0" label="leaf"></track>'))
    with pytest.raises(DataError, match="export it as CVAT for images"):
        open_data(tmp_path)
