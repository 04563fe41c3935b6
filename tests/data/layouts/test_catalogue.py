"""Several layouts may fit a folder: which is taken, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixelwise.data.layouts.catalogue import LAYOUTS
from pixelwise.data.source import open_data
from pixelwise.errors import DataError


def test_every_layout_says_what_it_looks_like_and_needs() -> None:
    for layout in LAYOUTS:
        assert layout.LOOKED_FOR
        assert all(part and isinstance(part[0], str) for part in layout.PARTS), layout.__name__


@pytest.mark.parametrize("objects", ["instance_masks/{}.png", "labels/{}.txt"])
def test_masks_beside_objects_are_a_guess(tmp_path: Path, write: Any, image: Any, mask: Any, objects: str) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
        write(objects.format(name), "0 .1 .1 .6 .1 .6 .6\n" if objects.endswith("txt") else mask)
    assert not [finding for finding in open_data(tmp_path).findings if finding.kind == "guessed"]
    for name in "ab":
        write(f"masks/{name}.png", mask)
    source = open_data(tmp_path)
    assert source.has_objects
    (guess,) = [finding.what for finding in source.findings if finding.kind == "guessed"]
    assert "masks/a.png of images/a.png" in guess
    write("dataset.yaml", "images: images\nmasks: masks\n")
    assert not open_data(tmp_path).has_objects


def test_masks_of_names_that_share_a_word_write_their_patterns(
    tmp_path: Path, write: Any, image: Any, mask: Any
) -> None:
    for name in ("p1", "p2"):
        write(f"images/{name}_photo.png", image)
        write(f"masks/{name}_truth.png", mask)
    with pytest.raises(DataError) as caught:
        open_data(tmp_path)
    said = str(caught.value)
    assert "masks/p1_truth.png looks like it" in said
    assert '`images: "images/*_photo.png"` and `masks: "masks/*_truth.png"`' in said
    write("dataset.yaml", 'images: "images/*_photo.png"\nmasks: "masks/*_truth.png"\n')
    assert len(open_data(tmp_path).pairs) == 2


def test_masks_that_cannot_be_read_are_named(tmp_path: Path, write: Any, image: Any) -> None:
    for name in ("p1", "p2"):
        write(f"images/{name}.png", image)
        write(f"gt/{name}.mat", "MATLAB 5.0")
    with pytest.raises(DataError, match=r"files such as gt/p1\.mat cannot be read; convert them to PNG"):
        open_data(tmp_path)
