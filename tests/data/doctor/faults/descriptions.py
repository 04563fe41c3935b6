"""Faults of ``dataset.yaml`` and of lists of classes."""

from __future__ import annotations

from pathlib import Path

from faults.sets import by_folders, by_lists, coco, of_colors, write
from faults.table import fault


@fault(by_lists, "not_understood", "error", "classes.txt: class names must differ, but these repeat: leaf")
def class_that_is_listed_twice(root: Path) -> None:
    write(root / "classes.txt", "background\nleaf\nleaf\n")


@fault(by_lists, "not_understood", "error", "classes.txt: the file is empty")
def list_of_classes_that_is_empty(root: Path) -> None:
    write(root / "classes.txt", "")


@fault(by_lists, "not_understood", "error", "classes.txt: 3 lines number the classes [0, 1, 3]")
def list_of_classes_that_leaves_out_a_number(root: Path) -> None:
    write(root / "classes.txt", "0 background\n1 leaf\n3 stem\n")


@fault(by_lists, "not_understood", "error", "classes.txt: not a UTF-8 text file")
def list_of_classes_in_another_encoding(root: Path) -> None:
    (root / "classes.txt").write_bytes("background\nBlätter\nStiel\n".encode("latin-1"))


@fault(by_lists, "not_understood", "error", "classes.txt names the classes 0 .. 1")
def list_of_classes_that_is_too_short(root: Path) -> None:
    write(root / "classes.txt", "background\nleaf\n")


@fault(by_lists, "alike_classes", "warning", "the classes 'leaf' (on 24 pictures) and 'Leaf' (on 24 pictures)")
def classes_of_one_name_in_two_spellings(root: Path) -> None:
    write(root / "classes.txt", "background\nleaf\nLeaf\n")


@fault(by_folders, "class_absent", "warning", "split train has no pixel of stem")
def list_of_classes_that_is_too_long(root: Path) -> None:
    write(root / "classes.txt", "background\nthing\nstem\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `classes`: 'leaf' is listed twice")
def class_that_is_described_twice(root: Path) -> None:
    write(root / "dataset.yaml", "classes: [background, leaf, leaf]\n")


@fault(by_lists, "no_training_pictures", "error", "no split has pictures to learn from; there is val (24 pictures)")
def description_of_a_split_for_validation_alone(root: Path) -> None:
    write(root / "dataset.yaml", 'splits: {val: "images/*.png"}\n')


@fault(by_lists, "not_understood", "error", "dataset.yaml: there is no key 'class'")
def key_that_is_unknown(root: Path) -> None:
    write(root / "dataset.yaml", "class: [background, leaf, stem]\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `masks`: there is no folder")
def folder_that_is_described_but_not_there(root: Path) -> None:
    write(root / "dataset.yaml", "images: images\nmasks: truth\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `path`: there is no folder")
def path_that_is_described_but_not_there(root: Path) -> None:
    write(root / "dataset.yaml", "path: ../elsewhere\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `masks` is missing")
def folder_of_masks_that_is_not_described(root: Path) -> None:
    write(root / "dataset.yaml", "images: images\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `merge.plant`: there is no class 'leaves'")
def class_to_merge_that_is_unknown(root: Path) -> None:
    write(root / "dataset.yaml", "merge: {plant: [leaves, stem]}\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `merge`: 'stem' is in 'plant' and in 'other'")
def class_that_is_merged_twice(root: Path) -> None:
    write(root / "dataset.yaml", "merge: {plant: [leaf, stem], other: [stem]}\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: not readable as YAML")
def description_that_is_broken(root: Path) -> None:
    write(root / "dataset.yaml", "classes: [background, leaf\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `splits.val`: there is no file")
def list_of_a_split_that_is_described_but_not_there(root: Path) -> None:
    write(root / "dataset.yaml", "splits: {train: train.txt, val: dev.txt}\n")


@fault(by_lists, "not_understood", "error", "dataset.yaml: `splits.val`: 'images/v*.png' fits no picture")
def pattern_of_a_split_that_fits_nothing(root: Path) -> None:
    write(root / "dataset.yaml", 'splits: {train: "images/*.png", val: "images/v*.png"}\n')


@fault(of_colors, "not_understood", "error", "dataset.yaml gives no class")
def colour_that_is_not_described(root: Path) -> None:
    text = 'classes: {"#000000": background, "#c81e5a": leaf}\nsplits: {train: train.txt, val: val.txt}\n'
    write(root / "dataset.yaml", text)


@fault(by_lists, "not_understood", "error", "dataset.yaml: `masks` and `objects` are both given")
def masks_and_objects_that_are_both_described(root: Path) -> None:
    write(root / "dataset.yaml", "images: images\nmasks: masks\nobjects: masks\n")


@fault(coco, "not_understood", "error", "dataset.yaml: `classes`: the objects are of 2 classes (square, bar)")
def too_many_names_for_the_classes_of_objects(root: Path) -> None:
    write(root / "dataset.yaml", "classes: [one, two, three]\n")
