"""CWFID: annotations/ tells crops from weeds, and is the truth; masks/ tells plants from soil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.io.masks import read_mask

COLORS = np.array([[0, 0, 0], [0, 255, 0], [255, 0, 0]], np.uint8)


@pytest.fixture
def cwfid(tmp_path: Path, write: Any, image: Any, mask: Any) -> Path:
    for number in range(1, 5):
        write(f"images/{number:03}_image.png", image)
        write(f"annotations/{number:03}_annotation.png", COLORS[mask])
        write(f"annotations/{number:03}_annotation.yaml", "filename: 001_image.png\n")
        write(f"masks/{number:03}_mask.png", (mask > 0).astype(np.uint8) * 255)
    return tmp_path


def test_annotations_are_the_truth(cwfid: Path, mask: Any) -> None:
    source = open_data(cwfid)
    assert (source.layout, source.label_space.names) == ("cwfid", ("soil", "crop", "weed"))
    assert len(source.pairs) == 4
    for pair in source.pairs:
        assert pair.mask is not None
        assert pair.mask.parent.name == "annotations"
        assert (source.label_space.encode(read_mask(pair.mask)) == mask).all()
    assert {one.kind for one in source.findings if "masks/001_mask.png" in one.files} == {"folder_not_used"}


def test_what_the_published_list_tests_is_not_trained(cwfid: Path, write: Any) -> None:
    write("train_test_split.yaml", "train: [1, 2, 3]\ntest: [3, 4]\n")
    source = open_data(cwfid)
    assert [pair.image.name for pair in source.split("test")] == ["003_image.png", "004_image.png"]
    trained = {pair.image.name for name in ("train", "val") for pair in source.split(name)}
    assert trained == {"001_image.png", "002_image.png"}
    assert any("lists 3 in train and in test" in note for note in source.notes)


def test_another_colour_is_refused(cwfid: Path, write: Any, mask: Any) -> None:
    write("annotations/002_annotation.png", np.array([[0, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)[mask])
    with pytest.raises(DataError, match=r"002_annotation\.png: the mask holds the colour #0000ff"):
        open_data(cwfid)


def test_a_list_that_makes_no_sense_is_refused(cwfid: Path, write: Any) -> None:
    write("train_test_split.yaml", "train: all\n")
    with pytest.raises(DataError, match="`train`: expected a list of the numbers"):
        open_data(cwfid)
