"""CVPPP: the ids of leaves are read, never the mask of the whole plant beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pixelwise.data.source import open_data


def test_leaves_are_read_by_their_ids(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for folder in ("A1", "A2"):
        for number in (1, 2):
            write(f"{folder}/plant{number:03}_rgb.png", image)
            write(f"{folder}/plant{number:03}_label.png", mask)
            write(f"{folder}/plant{number:03}_fg.png", (mask > 0).astype(np.uint8) * 255)
    source = open_data(tmp_path)
    assert (source.layout, source.label_space.names) == ("cvppp", ("leaf",))
    assert len(source.pairs) == 4
    reader = source.pairs[0].objects
    assert reader is not None
    leaves = reader.read()
    assert leaves.masks is not None
    assert [leaf.area for leaf in leaves.masks] == [(mask == 1).sum(), (mask == 2).sum()]
    assert len(open_data(tmp_path / "A1").pairs) == 2


def test_parts_called_as_splits_are_splits(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for number in (1, 2):
        write(f"training/A1/plant{number:03}_rgb.png", image)
        write(f"training/A1/plant{number:03}_label.png", mask)
    write("testing/A1/plant003_rgb.png", image)
    source = open_data(tmp_path)
    assert "test" not in source.splits  # without ids
    assert {pair.id for pair in source.pairs} == {f"training/A1/plant{number:03}_rgb.png" for number in (1, 2)}
