"""ADE20K's masks hold numbers from 1 on, named by a table; 0 is void."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.io.masks import read_mask

INFO = "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.15\t11664\t1172\t1\twall\n2\t0.1\t6046\t612\t1\tbuilding, edifice\n"


@pytest.fixture
def ade(tmp_path: Path, write: Any, image: Any, mask: Any) -> Path:
    for split, word in (("training", "train"), ("validation", "val")):
        for number in (1, 2):
            write(f"images/{split}/ADE_{word}_{number:08}.jpg", image)
            write(f"annotations/{split}/ADE_{word}_{number:08}.png", mask)
    write("objectInfo150.txt", INFO)
    return tmp_path


def test_numbers_start_at_one_and_0_is_void(ade: Path, mask: Any) -> None:
    source = open_data(ade)
    assert (source.layout, source.label_space.names) == ("ade20k", ("wall", "building"))
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 2, "val": 2}
    (first, _) = source.split("val")
    assert first.mask is not None
    labels = source.label_space.encode(read_mask(first.mask))
    assert (labels[mask == 0] == source.label_space.ignore_index).all()
    assert (labels[mask == 1] == 0).all()
    assert (labels[mask == 2] == 1).all()


def test_a_download_without_its_table_is_refused(ade: Path) -> None:
    (ade / "objectInfo150.txt").unlink()
    root = ade.rename(ade.with_name("ADEChallengeData2016"))
    with pytest.raises(DataError, match=r"objectInfo150\.txt: it is missing, and names the classes"):
        open_data(root)


def test_a_table_with_gaps_is_refused(ade: Path, write: Any) -> None:
    write("objectInfo150.txt", INFO.replace("\n2\t", "\n3\t"))
    with pytest.raises(DataError, match="from 1 on without gaps"):
        open_data(ade)
