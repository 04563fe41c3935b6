"""Patterns of a ``dataset.yaml`` pair files by what their stars stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError


def described(root: Path, names: str, text: str) -> DataSource:
    """Open pictures and masks of the given names by the text of a dataset.yaml."""
    stripes = np.repeat(np.array([0, 1], np.uint8), 4)[None].repeat(6, 0)
    for name in names.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stripes).save(root / name)
    (root / "dataset.yaml").write_text(text)
    return open_data(root)


def pairs_of(source: DataSource) -> dict[str, str]:
    return {pair.id: pair.mask.relative_to(source.root).as_posix() for pair in source.pairs if pair.mask}


def test_both_in_one_folder_beside_files_of_other_names(tmp_path: Path) -> None:
    names = "A1/p1_rgb.png A1/p1_label.png A1/p1_depth.png A1/p2_rgb.png A1/p2_label.png"
    source = described(tmp_path, names, 'images: "A1/*_rgb.png"\nmasks: "A1/*_label.png"\n')
    assert pairs_of(source) == {f"A1/p{k}_rgb.png": f"A1/p{k}_label.png" for k in (1, 2)}


def test_what_fits_the_pattern_of_masks_is_no_picture(tmp_path: Path) -> None:
    source = described(tmp_path, "1.png 1_gt.png 2.png 2_gt.png", 'images: "*.png"\nmasks: "*_gt.png"\n')
    assert pairs_of(source) == {"1.png": "1_gt.png", "2.png": "2_gt.png"}


def test_folders_are_stars_too(tmp_path: Path) -> None:
    names = "in/x.png in/a/b/y.png out/x.png out/a/b/y.png"
    source = described(tmp_path, names, 'images: "in/**/*.png"\nmasks: "out/**/*.png"\n')
    assert pairs_of(source) == {"in/x.png": "out/x.png", "in/a/b/y.png": "out/a/b/y.png"}


def test_splits_by_patterns(tmp_path: Path) -> None:
    text = 'images: "i/*.png"\nmasks: "m/*.png"\nsplits: {train: "i/a*", val: "i/b*"}\n'
    source = described(tmp_path, "i/a1.png m/a1.png i/a2.png m/a2.png i/b.png m/b.png", text)
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 2, "val": 1}


def test_objects_by_patterns(tmp_path: Path) -> None:
    source = described(tmp_path, "1.png 1_ids.png", 'images: "*.png"\nobjects: "*_ids.png"\n')
    assert source.has_objects
    assert [pair.id for pair in source.pairs] == ["1.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('images: "*.png"\nmasks: "m"\n', "differ in their stars"),
        ('images: "*.png"\nmasks: "*_gt.tif"\n', r"'\*_gt.tif' fits none of the 2 picture files"),
        ('images: "*_gt.png"\nmasks: "*_gt.png"\n', r"'\*_gt.png' fits none"),
        ('images: "*.png"\nmasks: "*_gt.png"\nsplits: {train: "x*"}\n', r"`splits.train`: 'x\*' fits no picture"),
    ],
)
def test_patterns_that_fit_nothing_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        described(tmp_path, "1.png 1_gt.png", text)


def test_a_picture_without_a_mask_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no mask: 2\.png"):
        described(tmp_path, "1.png 1_gt.png 2.png", 'images: "*.png"\nmasks: "*_gt.png"\n')
