"""DRIVE: the vessels are the truth, never the camera's field of view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.io.masks import read_mask


@pytest.fixture
def drive(tmp_path: Path, write: Any, image: Any, mask: Any) -> Path:
    for split, numbers in (("training", (21, 22)), ("test", (1, 2))):
        for number in numbers:
            write(f"{split}/images/{number:02}_{split}.tif", image)
            write(f"{split}/1st_manual/{number:02}_manual1.gif", mask.clip(max=1) * 255)
            write(f"{split}/mask/{number:02}_{split}_mask.gif", np.full_like(mask, 255))
    write("test/2nd_manual/01_manual2.gif", mask)
    return tmp_path


def test_vessels_are_the_truth(drive: Path, mask: Any) -> None:
    source = open_data(drive)
    assert (source.layout, source.label_space.names) == ("drive", ("background", "vessel"))
    assert {name: len(pairs) for name, pairs in source.splits.items()}["test"] == 2
    for pair in source.pairs:
        assert pair.mask is not None
        assert pair.mask.parent.name == "1st_manual"
        assert (source.label_space.encode(read_mask(pair.mask)) == mask.clip(max=1)).all()
    assert any("field of view" in note for note in source.notes)


def test_pictures_without_vessels_are_not_annotated_by_the_field_of_view(drive: Path) -> None:
    for path in (drive / "test/1st_manual").iterdir():
        path.unlink()
    (drive / "test/1st_manual").rmdir()
    source = open_data(drive)
    assert "test" not in source.splits
    assert any(finding.kind == "split_without_masks" for finding in source.findings)


def test_the_field_of_view_alone_is_refused(drive: Path) -> None:
    for folder in drive.glob("*/1st_manual"):
        folder.rename(folder.with_name("vessels_by_hand"))
    with pytest.raises(DataError, match=r"01_test_mask\.gif: this is the camera's field of view"):
        open_data(drive)
