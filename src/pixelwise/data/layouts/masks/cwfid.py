"""CWFID: ``images/001_image.png`` beside ``annotations/001_annotation.png``, crops green and weeds red.

The Crop/Weed Field Image Dataset (https://github.com/cwfid/dataset; Haug and Ostermann 2015). ``masks/001_mask.png``
tells vegetation from soil, whatever its kind, and is not the truth that is learnt.
"""

from __future__ import annotations

import re
from pathlib import Path

from pixelwise.data.pairs import Found, Pair, list_pictures, make_pair
from pixelwise.errors import DataError, quoted
from pixelwise.types import Color

LOOKED_FOR = "images/001_image.png + annotations/001_annotation.png (CWFID)"
PARTS = (
    ("images/001_image.png", "images/*_image.png"),
    ("annotations/001_annotation.png", "annotations/*_annotation.png"),
)

CWFID_COLORS: dict[Color, str] = {(0, 0, 0): "soil", (0, 255, 0): "crop", (255, 0, 0): "weed"}
"""Colour in the annotations -> class."""

SPLIT_FILE = "train_test_split.yaml"

_CWFID_PICTURE_NAME = re.compile(r"(\d+)_image")


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    ``train_test_split.yaml`` is followed. As published it lists picture 28 in both parts; what it tests is not trained.

    Raises:
        DataError: the list of parts makes no sense.
    """
    images, annotations = root / "images", root / "annotations"
    if not images.is_dir() or next(annotations.glob("*_annotation.png"), None) is None:
        return None
    pairs: dict[int, Pair] = {}
    for image in list_pictures(images):
        if match := _CWFID_PICTURE_NAME.fullmatch(image.stem):
            mask = annotations / f"{match[1]}_annotation.png"
            pairs[int(match[1])] = make_pair(root, image, mask if mask.is_file() else None)
    if not pairs:
        return None
    notes = ["masks from annotations/; masks/ tells vegetation from soil alone, and is not used"]
    splits = {"all": tuple(pairs.values())}
    if (root / SPLIT_FILE).is_file():
        parts = _parts(root / SPLIT_FILE)
        both = sorted(set(parts["train"]) & set(parts["test"]))
        if both:
            notes.append(f"{SPLIT_FILE} lists {', '.join(map(str, both))} in train and in test: kept in test alone")
        parts["train"] = [number for number in parts["train"] if number not in both]
        splits = {name: tuple(pairs[number] for number in part if number in pairs) for name, part in parts.items()}
    return Found(
        "cwfid", splits, tuple(CWFID_COLORS.values()), notes=tuple(notes), named_by="CWFID", colors=CWFID_COLORS
    )


def _parts(path: Path) -> dict[str, list[int]]:
    import yaml  # here, so that folders without YAML do not wait for it

    from pixelwise.io.yaml_text import load_yaml

    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as YAML: {error}") from error
    parts = {}
    for name in ("train", "test"):
        listed = content.get(name) if isinstance(content, dict) else None
        if not isinstance(listed, list) or set(map(type, listed)) - {int}:
            raise DataError(f"{path}: `{name}`: expected a list of the numbers of pictures, found {quoted(listed)}")
        parts[name] = list(dict.fromkeys(listed))
    return parts
