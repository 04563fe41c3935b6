"""Faults of splits, of copies and of how classes are spread."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from faults.sets import by_folders, by_lists, coco, mask, picture, save, voc, write
from faults.table import fault


@fault(by_lists, "copy_across_splits", "error", "images/3.png")
def picture_in_two_lists(root: Path) -> None:
    with (root / "val.txt").open("a") as opened:
        opened.write("3\n")


@fault(by_lists, "not_understood", "error", "val.txt: the list names 'gone'")
def list_that_names_a_missing_picture(root: Path) -> None:
    with (root / "val.txt").open("a") as opened:
        opened.write("gone\n")


@fault(by_lists, "not_understood", "error", "val.txt: the list names 'images/12.png' twice")
def list_that_names_a_picture_twice(root: Path) -> None:
    with (root / "val.txt").open("a") as opened:
        opened.write("12\n")


@fault(voc, "not_understood", "error", "val.txt: the list names 'gone'")
def list_of_voc_that_names_a_missing_picture(root: Path) -> None:
    with (root / "ImageSets/Segmentation/val.txt").open("a") as opened:
        opened.write("gone\n")


@fault(voc, "pair_without_mask", "error", "JPEGImages/3.jpg")
def list_of_voc_that_names_a_picture_without_mask(root: Path) -> None:
    (root / "SegmentationClass/3.png").unlink()


@fault(by_lists, "small_split", "note", "split val has 2 pictures: its scores say little")
def split_of_few_pictures(root: Path) -> None:
    write(root / "val.txt", "12\n13\n")


@fault(by_lists, "guessed", "warning", "split val is there and has no picture")
def list_that_is_empty(root: Path) -> None:
    write(root / "val.txt", "\n")


@fault(by_folders, "guessed", "warning", "split val is there and has no picture")
def folder_of_a_split_that_is_empty(root: Path) -> None:
    for path in [*(root / "images/val").iterdir(), *(root / "masks/val").iterdir()]:
        path.unlink()


@fault(by_lists, "small_split", "note", "split train has 3 pictures: little is learnt from so few")
def too_few_pictures_to_learn_from(root: Path) -> None:
    write(root / "train.txt", "0\n1\n2\n")


@fault(by_folders, "copy_across_splits", "error", "images/train/3.png (train), images/val/14.png (val)")
def copy_in_another_split(root: Path) -> None:
    shutil.copy(root / "images/train/3.png", root / "images/val/14.png")


@fault(by_folders, "copy", "warning", "images/train/3.png, images/train/4.png")
def copy_in_the_same_split(root: Path) -> None:
    shutil.copy(root / "images/train/3.png", root / "images/train/4.png")


@fault(by_folders, "near_copy_across_splits", "warning", "images/train/3.png (train) and images/val/14.jpg (val)")
def picture_saved_anew_in_another_split(root: Path) -> None:
    (root / "images/val/14.png").unlink()
    save(root / "images/val/14.jpg", picture(3), quality=85)


@fault(by_folders, "near_copy_across_splits", "warning", "images/train/3.png (train) and images/val/14.png (val)")
def brighter_picture_in_another_split(root: Path) -> None:
    save(root / "images/val/14.png", picture(3).point([min(255, value // 2 + 90) for value in range(256)] * 3))


@fault(coco, "copy_across_splits", "error", "images/3.png (train), images/14.png (val)")
def copy_in_another_file_of_coco(root: Path) -> None:
    shutil.copy(root / "images/3.png", root / "images/14.png")


@fault(by_lists, "class_absent", "warning", "split val has no pixel of stem")
def class_that_validation_lacks(root: Path) -> None:
    for number in range(12, 24):
        save(root / f"masks/{number}.png", mask(number, 2))


@fault(by_lists, "class_rare", "note", "stem 0.022%")
def class_of_few_pixels(root: Path) -> None:
    for number in range(24):
        indices = mask(number, 2)
        if number in (3, 14):
            indices[8:10, 8:10] = 2
        save(root / f"masks/{number}.png", indices)


@fault(by_folders, "split_without_masks", "note", "split val: none of its 12 pictures has a mask")
def masks_that_validation_lacks(root: Path) -> None:
    shutil.rmtree(root / "masks/val")


@fault(by_folders, "copy", "warning", "images/train/3.png, images/train/4.png, images/train/5.png")
def picture_that_is_there_three_times(root: Path) -> None:
    for number in (4, 5):
        shutil.copy(root / "images/train/3.png", root / f"images/train/{number}.png")


@fault(by_folders, "near_copy_across_splits", "warning", "images/train/3.png (train) and images/val/14.png (val)")
def larger_picture_in_another_split(root: Path) -> None:
    save(root / "images/val/14.png", picture(3).resize((96, 64)))
    save(root / "masks/val/14.png", Image.fromarray(np.kron(mask(14), np.ones((2, 2), np.uint8))))


@fault(by_folders, "not_understood", "error", "the list names '3', which may be images/a/3.png or images/b/3.png")
def name_in_a_list_that_two_pictures_have(root: Path) -> None:
    for split, folder in (("train", "a"), ("val", "b")):
        for above in ("images", "masks"):
            (root / above / split).rename(root / above / folder)
    for above in ("images", "masks"):
        shutil.copy(root / above / "b/15.png", root / above / "b/3.png")
    write(root / "train.txt", "a/1.png\n3\n")
