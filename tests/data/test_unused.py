"""What lies in a data set and is not used is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pixelwise.data.pairs import match_stems
from pixelwise.data.source import open_data
from pixelwise.errors import DataError


def test_every_file_that_is_not_used_is_counted(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in "abc":
        write(f"images/{name}.png", image)
        write(f"masks/{name}.png", mask)
    write("masks/lonely.png", mask)
    write("other/d.png", image)
    (tmp_path / "images/phone.HEIC").write_bytes(b"x")
    kinds = {finding.kind: finding for finding in open_data(tmp_path).findings}
    assert kinds["mask_not_used"].files == ("masks/lonely.png",)
    assert "masks/lonely.png" in kinds["mask_not_used"].what
    assert kinds["folder_not_used"].files == ("other/d.png",)
    assert kinds["format_not_read"].files == ("images/phone.HEIC",)
    assert "picture_not_used" not in kinds


def test_a_picture_without_a_mask_names_what_looks_like_one(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/p0.png", image)
    for name in ("p0_disc", "p0_square"):
        write(f"masks/{name}.png", mask)
    with pytest.raises(DataError, match=r"masks/p0_disc\.png, masks/p0_square\.png look like it"):
        open_data(tmp_path)


def test_folders_behind_links_are_searched_once(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    elsewhere = tmp_path / "disk"
    for name in "ab":
        write(f"disk/{name}.png", image)
        write(f"set/masks/{name}.png", mask)
    (tmp_path / "set/images").mkdir()
    os.symlink(elsewhere, tmp_path / "set/images/linked")
    os.symlink(tmp_path / "set", tmp_path / "set/images/circle")
    (tmp_path / "set/masks/linked").mkdir()
    for name in "ab":
        (tmp_path / f"set/masks/{name}.png").rename(tmp_path / f"set/masks/linked/{name}.png")
    assert sorted(pair.id for pair in open_data(tmp_path / "set").pairs if pair.mask) == [
        "images/linked/a.png",
        "images/linked/b.png",
    ]


@pytest.mark.parametrize(
    ("image_name", "mask_name"),
    [
        ("scan_seg", "scan_seg"),
        ("photo-ann", "photo-ann"),
        ("a", "a_mask"),
        ("a", "a-Labels"),
        ("a", "a_labelIds"),
        ("21_training", "21_manual1"),
        ("plant_rgb", "plant_label"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_names_that_belong_together(
    tmp_path: Path, write: Any, image: Any, mask: Any, image_name: str, mask_name: str
) -> None:
    write(f"images/{image_name}.jpg", image)
    write(f"masks/{mask_name}.png", mask)
    write("masks/other_mask.png", mask)
    (pair,) = match_stems(tmp_path, tmp_path / "images", tmp_path / "masks")
    assert pair.mask is not None
    assert pair.mask.stem == mask_name


def test_the_very_name_wins_over_an_ending_and_a_suffix(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.jpg", image)
    for name in ("a_mask", "a.jpg", "a"):
        write(f"masks/{name}.png", mask)
        (pair,) = match_stems(tmp_path, tmp_path / "images", tmp_path / "masks")
        assert pair.mask == tmp_path / f"masks/{name}.png"
    write("masks/a_gt.png", mask)
    match_stems(tmp_path, tmp_path / "images", tmp_path / "masks")
    (tmp_path / "masks/a.png").unlink()
    (tmp_path / "masks/a.jpg.png").unlink()
    with pytest.raises(DataError, match="unclear which of the two"):
        match_stems(tmp_path, tmp_path / "images", tmp_path / "masks")


def test_a_mask_of_two_pictures_is_that_of_none(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in ("a_rgb", "a_image", "b_rgb"):
        write(f"images/{name}.png", image)
    for name in "ab":
        write(f"masks/{name}_mask.png", mask)
    pairs = match_stems(tmp_path, tmp_path / "images", tmp_path / "masks")
    assert {pair.image.stem: pair.mask is not None for pair in pairs} == {
        "a_image": False,
        "a_rgb": False,
        "b_rgb": True,
    }


def test_json_that_nobody_can_read_is_told(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("images/b.png", image)
    write("masks/a.png", mask)
    write("masks/b.png", mask)
    write("notes.json", "{}")
    write("truth.json", "[" * 200_000 + "]" * 200_000)
    told = [one for one in open_data(tmp_path).findings if one.kind == "format_not_read"]
    assert [one.files for one in told] == [("truth.json",)]
    assert "1 JSON file is not used, as " in told[0].what
    assert "truth.json: the JSON is nested too deep" in told[0].what
