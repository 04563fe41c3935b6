"""Faults of the objects themselves, and of maps of their ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from faults.sets import HEIGHT, WIDTH, coco, ids, save, write
from faults.table import fault


def _add(root: Path, polygon: list[float], category: int = 1) -> None:
    """Annotate another object on the picture 7."""
    path = root / "annotations/instances_train.json"
    content = json.loads(path.read_text())
    content["annotations"].append({"id": 900, "image_id": 7, "category_id": category, "segmentation": [polygon]})
    write(path, content)


@fault(coco, "repeated_object", "warning", "images/7.png")
def object_that_is_annotated_twice(root: Path) -> None:
    _add(root, [2, 4, 14, 4, 14, 16, 2, 16])


@fault(coco, "touching_objects", "note", "2 of 49 objects touch another of the same class, on images/7.png")
def objects_that_touch(root: Path) -> None:
    _add(root, [14, 5, 20, 5, 20, 12, 14, 12])


@fault(coco, "tiny_objects", "note", "1 of 49 objects has fewer than 16 pixels, on images/7.png")
def object_of_few_pixels(root: Path) -> None:
    _add(root, [4, 22, 7, 22, 7, 25, 4, 25])


@fault(coco, "outside_picture", "warning", "images/7.png")
def outline_beyond_the_picture(root: Path) -> None:
    _add(root, [4, 22, 14, 22, 14, 60, 4, 60])


@fault(coco, "outside_picture", "warning", "images/7.png")
def object_outside_of_the_picture(root: Path) -> None:
    _add(root, [60, 40, 70, 40, 70, 50, 60, 50])


@fault(coco, "crossing_outline", "warning", "images/7.png")
def outline_that_crosses_itself(root: Path) -> None:
    _add(root, [2, 20, 16, 30, 16, 20, 2, 30])


@fault(coco, "no_objects", "note", "1 of 24 pictures has no object, images/7.png among them")
def picture_without_objects(root: Path) -> None:
    path = root / "annotations/instances_train.json"
    content = json.loads(path.read_text())
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] != 7]
    write(path, content)


@fault(ids, "size_differs", "error", "images/train/3.png 32x48 with annotation 16x24")
def ids_of_another_size(root: Path) -> None:
    save(root / "instance_masks/train/3.png", np.ones((HEIGHT // 2, WIDTH // 2), np.uint8))


@fault(ids, "unreadable", "error", "instance_masks/train/3.png")
def ids_in_colours(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    save(root / "instance_masks/train/3.png", noise)


@fault(ids, "unreadable", "error", "instance_masks/train/3.png")
def ids_that_are_cut_off(root: Path) -> None:
    path = root / "instance_masks/train/3.png"
    path.write_bytes(path.read_bytes()[:60])


@fault(ids, "pair_without_mask", "error", "images/train/3.png")
def picture_without_ids(root: Path) -> None:
    (root / "instance_masks/train/3.png").unlink()


@fault(ids, "no_objects", "note", "images/train/3.png")
def ids_of_background_alone(root: Path) -> None:
    save(root / "instance_masks/train/3.png", np.zeros((HEIGHT, WIDTH), np.uint8))


@fault(ids, "tiny_objects", "note", "images/train/3.png")
def ids_that_are_scattered(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    save(root / "instance_masks/train/3.png", noise)
