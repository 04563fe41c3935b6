"""Which folder the masks are taken from, and what is said where it is a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.locate import locate
from pixelwise.data.source import open_data


def guesses(source: Any) -> list[str]:
    return [finding.what for finding in source.findings if finding.kind == "guessed"]


@pytest.mark.parametrize(("more", "taken"), [((), "masks"), (("c",), "annotations")])
def test_of_two_folders_of_masks_the_fuller_is_taken_as_a_guess(
    tmp_path: Path, write: Any, image: Any, mask: Any, more: Any, taken: str
) -> None:
    for name in ("a", "b", *more):
        write(f"images/{name}.png", image)
        write(f"annotations/{name}.png", mask)
    for name in "ab":
        write(f"masks/{name}_mask.png", mask)
    source = open_data(tmp_path)
    other = {"masks": "annotations", "annotations": "masks"}[taken]
    assert {pair.mask.parent.name for pair in source.pairs if pair.mask} == {taken}
    (guess,) = guesses(source)
    assert f"masks are taken from {taken}/, but {other}/" in guess
    write("dataset.yaml", guess.split("write `")[1].split("` into")[0].replace("` and `", "\n"))
    again = open_data(tmp_path, skip_bad=True)
    assert {pair.mask.parent.name for pair in again.pairs if pair.mask} == {other}
    assert not guesses(again)


def test_a_folder_that_holds_no_mask_of_a_picture_is_passed_over(
    tmp_path: Path, write: Any, image: Any, mask: Any
) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
        write(f"annotations/{name}.png", mask)
        write(f"masks/{name}.txt", "no mask")
    source = open_data(tmp_path)
    assert {pair.mask.parent.name for pair in source.pairs if pair.mask} == {"annotations"}
    assert not guesses(source)


def test_splits_whose_masks_lie_in_folders_of_other_names(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for split, folder in (("train", "masks"), ("val", "gt")):
        for name in "ab":
            write(f"{split}/images/{name}.png", image)
            write(f"{split}/{folder}/{name}.png", mask)
    write("test/images/c.png", image)
    source = open_data(tmp_path)
    assert set(source.splits) == {"train", "val"}
    (guess,) = guesses(source)
    assert "train/masks/ and val/gt/" in guess
    assert any(finding.kind == "split_without_masks" for finding in source.findings)


def test_which_folders_are_taken_is_said(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
        write(f"masks/{name}_mask.png", mask)
        write(f"edges/{name}_gt.png", np.zeros_like(mask))
        write(f"notes/{name}.txt", "words")
    write("other/z.png", image)
    source = open_data(tmp_path)
    assert not guesses(source)
    said = "pictures from images/, masks from masks/, for example images/a.png with masks/a_mask.png"
    assert said in source.notes
    unused = {finding.files[0]: finding.what for finding in source.findings if finding.kind == "folder_not_used"}
    assert set(unused) == {"edges/a_gt.png", "notes/a.txt", "other/z.png"}
    assert "2 names are like those of pictures that are used" in unused["edges/a_gt.png"]
    assert "like those" not in unused["other/z.png"]


def test_which_file_of_objects_is_taken_is_said(tmp_path: Path, write: Any, image: Any) -> None:
    for name in "ab":
        write(f"images/{name}.jpg", image)
        write(f"labels/{name}.txt", "0 .1 .1 .6 .1 .6 .6\n")
    said = "pictures from images/, objects from labels/, for example images/a.jpg with labels/a.txt"
    assert said in open_data(tmp_path).notes


@pytest.mark.parametrize(("folder", "guessed"), [("manual1", True), ("masks_colored", False), ("depth", False)])
def test_a_folder_of_another_name_that_may_be_the_truth_is_said(
    tmp_path: Path, write: Any, image: Any, mask: Any, folder: str, guessed: bool
) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
        write(f"mask/{name}_mask.png", mask)
        write(f"{folder}/{name}.png", mask)
    source = open_data(tmp_path)
    assert {pair.mask.parent.name for pair in source.pairs if pair.mask} == {"mask"}
    assert ["but manual1/ holds files of the same pictures too" in guess for guess in guesses(source)] == [
        True
    ] * guessed


@pytest.mark.parametrize(
    ("listed", "taken"),
    [
        ("a/p 0", "images/a/p 0.png"),
        ("images/b/p 0", "images/b/p 0.png"),
        ("images\\b\\p 0.png", "images/b/p 0.png"),
        ("C:\\Users\\me\\set\\images\\a\\p 0.png", "images/a/p 0.png"),
        ("/home/me/set/images/b/p 0.png", "images/b/p 0.png"),
        ("only", "images/a/only.png"),
    ],
)
def test_lists_of_other_machines(tmp_path: Path, write: Any, image: Any, mask: Any, listed: str, taken: str) -> None:
    for name in ("a/p 0.png", "b/p 0.png", "a/only.png"):
        write(f"images/{name}", image)
        write(f"masks/{name}", mask)
    write("train.txt", f"{listed}\n")
    assert [pair.id for pair in locate(tmp_path).found.splits["train"]] == [taken]


def test_names_in_the_lists_of_voc_may_have_blanks_and_accents(
    tmp_path: Path, write: Any, image: Any, mask: Any
) -> None:
    stored, listed = "scan e\u0301 1", "scan \u00e9 1"
    write(f"JPEGImages/{stored}.png", image)
    write(f"SegmentationClass/{listed}.png", mask)
    write("ImageSets/Segmentation/train.txt", f"{listed}\n")
    (pair,) = locate(tmp_path).found.splits["train"]
    assert pair.image.stem == stored
    assert pair.mask is not None
