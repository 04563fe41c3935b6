"""Sound data sets of twenty-four small pictures, twelve to train on and twelve to validate with, in every layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 32, 48
COUNT = 24
SHAPES = {"square": (2, 4, 14, 16), "bar": (22, 20, 42, 26)}
"""Name of each annotated object of every picture -> left, top, right and bottom of its rectangle."""


def split_of(number: int) -> str:
    """The split of a picture."""
    return "train" if number < COUNT // 2 else "val"


def picture(number: int) -> Image.Image:
    """A soft RGB pattern, another one for each number."""
    coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def mask(number: int, classes: int = 2) -> NDArray[np.uint8]:
    """Blocks of class indices, every class among them."""
    blocks = np.random.default_rng(number).integers(0, classes, (HEIGHT // 8, WIDTH // 8))
    blocks[0, :classes] = range(classes)
    return np.kron(blocks, np.ones((8, 8), np.int64)).astype(np.uint8)


def save(path: Path, content: Image.Image | NDArray[Any], **options: Any) -> None:
    """Save a picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = content if isinstance(content, Image.Image) else Image.fromarray(content)
    image.save(path, **options)


def write(path: Path, content: object) -> None:
    """Write a text, or anything else as JSON, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def by_folders(root: Path) -> None:
    """``images/`` and ``masks/`` with the splits below them, masks of 0 and 1, and ``classes.txt``."""
    for number in range(COUNT):
        name = f"{split_of(number)}/{number}.png"
        save(root / "images" / name, picture(number))
        save(root / "masks" / name, mask(number))
    write(root / "classes.txt", "background\nthing\n")


def by_lists(root: Path) -> None:
    """``images/`` and ``masks/`` with lists of the splits, masks of 0, 1 and 2, and ``classes.txt``."""
    for number in range(COUNT):
        save(root / f"images/{number}.png", picture(number))
        save(root / f"masks/{number}.png", mask(number, 3))
    for split in ("train", "val"):
        write(root / f"{split}.txt", "".join(f"{n}\n" for n in range(COUNT) if split_of(n) == split))
    write(root / "classes.txt", "background\nleaf\nstem\n")


def of_white(root: Path) -> None:
    """As :func:`by_folders`, but masks hold 0 and 255, and no file names the classes."""
    by_folders(root)
    (root / "classes.txt").unlink()
    for number in range(COUNT):
        save(root / f"masks/{split_of(number)}/{number}.png", mask(number) * np.uint8(255))


COLORS = np.array([[0, 0, 0], [200, 30, 90], [20, 160, 60]], np.uint8)
"""RGB colours of the classes of :func:`of_colors` and :func:`of_palettes`."""


def of_colors(root: Path) -> None:
    """As :func:`by_lists`, but masks hold RGB colours that a ``dataset.yaml`` names."""
    by_lists(root)
    (root / "classes.txt").unlink()
    for number in range(COUNT):
        save(root / f"masks/{number}.png", COLORS[mask(number, 3)])
    text = (
        'classes: {"#000000": background, "#c81e5a": leaf, "#14a03c": stem}\nsplits: {train: train.txt, val: val.txt}\n'
    )
    write(root / "dataset.yaml", text)


def with_palette(indices: NDArray[np.uint8], colors: NDArray[np.uint8] = COLORS) -> Image.Image:
    """A palette picture of class indices."""
    image = Image.fromarray(indices)
    image.putpalette(colors.tobytes())
    return image


def of_palettes(root: Path) -> None:
    """As :func:`by_lists`, but masks carry a palette."""
    by_lists(root)
    for number in range(COUNT):
        save(root / f"masks/{number}.png", with_palette(mask(number, 3)))


def voc(root: Path) -> None:
    """``JPEGImages/``, ``SegmentationClass/``, lists and ``classes.txt``, as Pascal VOC has them."""
    for number in range(COUNT):
        save(root / f"JPEGImages/{number}.jpg", picture(number), quality=95)
        save(root / f"SegmentationClass/{number}.png", with_palette(mask(number, 3)))
    for split in ("train", "val"):
        listed = "".join(f"{n}\n" for n in range(COUNT) if split_of(n) == split)
        write(root / f"ImageSets/Segmentation/{split}.txt", listed)
    write(root / "classes.txt", "background\nleaf\nstem\n")


def corners(name: str) -> list[int]:
    """Corners of the rectangle of an object, x and y in turn."""
    left, top, right, bottom = SHAPES[name]
    return [left, top, right, top, right, bottom, left, bottom]


def coco(root: Path) -> None:
    """``images/`` and a COCO JSON for each split in ``annotations/``."""
    names = list(SHAPES)
    for split in ("train", "val"):
        numbers = [number for number in range(COUNT) if split_of(number) == split]
        pictures = [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in numbers]
        annotations = [
            {
                "id": 2 * number + place,
                "image_id": number,
                "category_id": place + 1,
                "segmentation": [corners(name)],
                "iscrowd": 0,
            }
            for number in numbers
            for place, name in enumerate(names)
        ]
        categories = [{"id": place + 1, "name": name} for place, name in enumerate(names)]
        content = {"images": pictures, "annotations": annotations, "categories": categories}
        write(root / f"annotations/instances_{split}.json", content)
    for number in range(COUNT):
        save(root / f"images/{number}.png", picture(number))


def yolo(root: Path) -> None:
    """``images/`` and ``labels/`` with the splits below them, and ``data.yaml``."""
    for number in range(COUNT):
        save(root / f"images/{split_of(number)}/{number}.png", picture(number))
        shares = [
            " ".join(f"{value / (HEIGHT if place % 2 else WIDTH):.6f}" for place, value in enumerate(corners(name)))
            for name in SHAPES
        ]
        lines = "".join(f"{index} {line}\n" for index, line in enumerate(shares))
        write(root / f"labels/{split_of(number)}/{number}.txt", lines)
    write(root / "data.yaml", "path: .\ntrain: images/train\nval: images/val\nnames: [square, bar]\n")


def labelme(root: Path) -> None:
    """``train/`` and ``val/`` with a JSON of LabelMe beside each picture."""
    for number in range(COUNT):
        path = root / f"{split_of(number)}/{number}.png"
        save(path, picture(number))
        shapes = [
            {"label": name, "points": np.reshape(corners(name), (-1, 2)).tolist(), "shape_type": "polygon"}
            for name in SHAPES
        ]
        content = {"shapes": shapes, "imagePath": path.name, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        write(path.with_suffix(".json"), content)


def via(root: Path) -> None:
    """``train/`` and ``val/`` with a JSON of VIA in each."""
    entries: dict[str, dict[str, Any]] = {"train": {}, "val": {}}
    for number in range(COUNT):
        save(root / f"{split_of(number)}/{number}.png", picture(number))
        regions = [
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": corners(name)[::2],
                    "all_points_y": corners(name)[1::2],
                },
                "region_attributes": {"class": name},
            }
            for name in SHAPES
        ]
        entries[split_of(number)][f"{number}.png"] = {"filename": f"{number}.png", "size": 1, "regions": regions}
    for split, content in entries.items():
        write(root / f"{split}/via_region_data.json", content)


def ids(root: Path) -> None:
    """``images/`` and ``instance_masks/`` with the splits below them; masks hold the number of an object."""
    for number in range(COUNT):
        name = f"{split_of(number)}/{number}.png"
        save(root / "images" / name, picture(number))
        numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
        for place, (left, top, right, bottom) in enumerate(SHAPES.values(), 1):
            numbers[top:bottom, left:right] = place
        save(root / "instance_masks" / name, numbers)


SOUND = (by_folders, by_lists, of_white, of_colors, of_palettes, voc, coco, yolo, labelme, via, ids)
"""The writers of all of them."""
