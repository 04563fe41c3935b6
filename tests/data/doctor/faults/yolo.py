"""Faults of YOLO's label files."""

from __future__ import annotations

import shutil
from pathlib import Path

from faults.sets import write
from faults.sets import yolo as sound
from faults.table import fault

LABELS = "labels/train/3.txt"


@fault(sound, "unreadable", "error", "labels/train/3.txt: line 1: 5 numbers")
def line_of_a_wrong_count_of_numbers(root: Path) -> None:
    write(root / LABELS, "0 0.1 0.1 0.5 0.1 0.1\n")


@fault(sound, "unreadable", "error", "labels/train/3.txt: line 1: class 2, but there are 2 classes, 0 .. 1")
def class_beyond_the_names(root: Path) -> None:
    write(root / LABELS, "2 0.1 0.1 0.5 0.1 0.1 0.5\n")


@fault(sound, "unreadable", "error", "labels/train/3.txt: line 1: coordinates are shares of the picture")
def coordinates_in_pixels(root: Path) -> None:
    write(root / LABELS, "0 4 4 20 4 4 20\n")


@fault(sound, "outside_picture", "warning", "images/train/3.png")
def coordinates_beyond_the_picture(root: Path) -> None:
    write(root / LABELS, "0 0.1 0.1 1.3 0.1 0.1 0.9\n")


@fault(sound, "unreadable", "error", "labels/train/3.txt: line 1: expected a class index and numbers")
def words_in_place_of_numbers(root: Path) -> None:
    write(root / LABELS, "square 0.1 0.1 0.5 0.1 0.1 0.5\n")


@fault(sound, "unreadable", "error", "labels/train/3.txt: line 1: the box has width -0.2", with_it=["guessed"])
def box_of_negative_width(root: Path) -> None:
    write(root / LABELS, "0 0.5 0.5 -0.2 0.2\n")


@fault(sound, "no_objects", "note", "images/train/3.png")
def picture_without_a_label_file(root: Path) -> None:
    (root / LABELS).unlink()


@fault(sound, "mask_not_used", "note", "1 annotation file is not used: labels/train/90.txt")
def label_file_without_a_picture(root: Path) -> None:
    write(root / "labels/train/90.txt", "0 0.1 0.1 0.5 0.1 0.1 0.5\n")


@fault(
    sound,
    "repeated_line",
    "note",
    "and is read once, in labels/train/3.txt",
)
def line_that_is_there_twice(root: Path) -> None:
    write(root / LABELS, "0 0.1 0.1 0.5 0.1 0.1 0.5\n" * 2)


@fault(sound, "not_understood", "error", "labels/train/3.txt: not a UTF-8 text file")
def label_file_that_is_no_text(root: Path) -> None:
    (root / LABELS).write_bytes(b"\xff\xfe0\x000\xd8")


@fault(sound, "not_understood", "error", "data.yaml: `names`: a name is there twice")
def name_that_is_listed_twice(root: Path) -> None:
    write(root / "data.yaml", "train: images/train\nval: images/val\nnames: [square, square]\n")


@fault(sound, "not_understood", "error", "data.yaml: `names`: expected the classes in index order")
def names_that_leave_out_a_number(root: Path) -> None:
    write(root / "data.yaml", "train: images/train\nval: images/val\nnames: {0: square, 2: bar}\n")


@fault(sound, "class_absent", "warning", "split train has no object of disc")
def name_that_no_object_has(root: Path) -> None:
    write(root / "data.yaml", "train: images/train\nval: images/val\nnames: [square, bar, disc]\n")


@fault(sound, "guessed", "warning", "data.yaml: `val` names images/val, which is not there")
def folder_of_a_split_that_is_gone(root: Path) -> None:
    shutil.rmtree(root / "images/val")


@fault(sound, "guessed", "warning", "data.yaml: `val` names images/val/gone.png, which is not there")
def list_that_names_a_picture_that_is_gone(root: Path) -> None:
    listed = [f"images/val/{number}.png" for number in range(12, 24)]
    write(root / "val.txt", "\n".join([*listed, "images/val/gone.png"]))
    write(root / "data.yaml", "train: images/train\nval: val.txt\nnames: [square, bar]\n")


@fault(sound, "guessed", "warning", "1 object is given as a box among others that have outlines, in labels/train/3.txt")
def box_among_outlines(root: Path) -> None:
    write(root / LABELS, "0 0.5 0.5 0.4 0.4\n")
