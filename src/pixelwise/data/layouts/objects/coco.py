"""COCO JSON beside its pictures: polygons, run lengths, crowds and boxes.

The format is the one of https://cocodataset.org/#format-data; CVAT, Label Studio and Roboflow export it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pixelwise.data.annotations.faults import sort_out
from pixelwise.data.annotations.json_files import beside_its_picture, json_files
from pixelwise.data.annotations.outlines import OutlinedObjects, boxes_among_outlines
from pixelwise.data.annotations.picture_places import PicturePlaces
from pixelwise.data.findings import Finding
from pixelwise.data.layouts.objects.coco_file import CocoFile, CocoPicture, read_coco
from pixelwise.data.pairs import BACKGROUND_NAMES, NO_SPLIT, SPLIT_NAMES, Found, Pair
from pixelwise.errors import DataError, quoted
from pixelwise.words import agreeing, counted

LOOKED_FOR = "COCO JSON in the folder, in annotations/, or in train/ val/ test/, with its pictures beside"
PARTS = (("images/", "*.jpg", "*.png"), ("annotations/*.json", "*.json"))


_OTHER_ANNOTATIONS = ("captions", "person_keypoints", "stuff", "panoptic", "image_info")
"""What the names of files begin with that the COCO site has beside ``instances_*.json``, of the same pictures."""


def find(root: Path) -> Found | None:
    """Recognise COCO JSON in ``root``; None where there is none.

    A file belongs to the split that its name or its folder says (``instances_train2017.json``, ``valid/_annotations
    .coco.json``). Classes are the categories in the order of their ids, whether or not an object has them.

    Raises:
        DataError: a file is damaged, files disagree, or all pictures are missing.
    """
    files = [read for read in map(read_coco, _candidates(root)) if read is not None]
    if not files:
        return None
    names = _names(files)
    outlined = any(_has_shape(raw) for file in files for picture in file.pictures for raw in picture.annotations)
    notes = [] if outlined else ["the annotations are boxes without outlines"]
    splits: dict[str, tuple[Pair, ...]] = {}
    absent: list[DataError] = []
    findings = [*_shared_names(root, files), *_strays(root, files)]
    by_split, guesses = _by_split(files)
    for split, members in by_split.items():
        pairs: dict[str, Pair] = {}
        for file in members:
            try:
                found = _pairs(root, file, split, names, outlined)
            except _NoneHere as error:
                absent.append(error)
                name = file.path.relative_to(root).as_posix()
                what = f"{name} is not used: none of its {counted(len(file.pictures), 'picture')} is here"
                findings.append(Finding("mask_not_used", what, "add the pictures, or move the file out", (name,)))
                continue
            for pair in found:
                if pair.id in pairs:
                    raise DataError(
                        f"{file.path}: '{pair.id}' is annotated twice in split {split}; remove one of the two"
                    )
                pairs[pair.id] = pair
        splits[split] = tuple(pairs.values())
    if absent and not any(splits.values()):
        raise absent[0]
    guesses = (*guesses, *_guesses(root, files, outlined))
    empty = sum(not picture.annotations for file in files for picture in file.pictures)
    if empty:
        notes.append(f"pictures without objects: {empty}")
    return Found("coco", splits, names, notes=tuple(notes), guesses=guesses, findings=tuple(findings))


def _guesses(root: Path, files: Sequence[CocoFile], outlined: bool) -> list[str]:
    """Say of which annotations the picture or the shape is a guess."""
    guesses = []
    for file in files:
        place = file.path.relative_to(root).as_posix()
        if file.matched:
            guesses.append(
                f"{place}: {counted(file.matched, 'annotation', 'has')} an image_id of another type than the id of "
                "the picture (text and number); text that shows the number is taken for it: export ids of one type"
            )
        every = [raw for picture in file.pictures for raw in picture.annotations]
        boxes = sum(bool(raw.get("bbox")) and not _has_shape(raw) for raw in every)
        if outlined and boxes:
            guesses.append(boxes_among_outlines(boxes, place))
    return guesses


def _shared_names(root: Path, files: Sequence[CocoFile]) -> list[Finding]:
    """Find categories of one file that have the same name, and become one class."""
    findings = []
    for file in files:
        by_name: dict[str, list[str]] = {}
        for number, name in file.categories.items():
            by_name.setdefault(name, []).append(str(number))
        for name, numbers in by_name.items():
            if len(numbers) > 1:
                place = file.path.relative_to(root).as_posix()
                what = (
                    f"{place}: the categories {', '.join(numbers)} are all called {quoted(name)}, so they are one class"
                )
                mend = "if they are different classes, give them different names"
                findings.append(Finding("alike_classes", what, mend, (place,)))
    return findings


def _strays(root: Path, files: Sequence[CocoFile]) -> Iterator[Finding]:
    """Find annotations of pictures that their file does not list."""
    for file in files:
        if file.strays:
            place = file.path.relative_to(root).as_posix()
            more = len(file.strays) - 1
            others = f" (nor those of {counted(more, 'other annotation')})" if more else ""
            what = f"{place}: {file.strays[0]}, which `images` does not have{others}"
            mend = "add the pictures, or remove the annotations"
            yield Finding("annotation_without_picture", what, mend, (place,), apart=True)


class _NoneHere(DataError):
    """Not one picture of a file is there: it describes another part of the data."""


def _pairs(root: Path, file: CocoFile, split: str, names: tuple[str, ...], masks: bool) -> list[Pair]:
    places = PicturePlaces(root, file.path, split)
    found = [(picture, places.find(picture.file_name)) for picture in file.pictures]
    missing = [picture for picture, path in found if path is None]
    if missing and len(missing) == len(found):
        raise _NoneHere(_missing(file, missing, places))
    labels = {number: names.index(name) for number, name in file.categories.items() if name in names}
    pairs = []
    for picture, path in found:
        outlines, faults = sort_out(lambda raw: file.outline(raw, labels), picture.annotations)
        if path is None:
            path = root / picture.file_name.replace("\\", "/").rsplit("/", 1)[-1]
            faults = (_missing(file, missing, places, picture),)
        reader = OutlinedObjects(tuple(outlines), path, file.path, picture.size, masks, faults)
        pairs.append(Pair(path.relative_to(root).as_posix(), path, None, reader))
    return pairs


def _candidates(root: Path) -> list[Path]:
    """List the JSON files that may hold annotations of the whole set; those named as COCO's outlines win."""
    folders = [root, root / "annotations", root / "images"]
    folders += [path for path in sorted(root.iterdir()) if path.is_dir() and path.name.lower() in SPLIT_NAMES]
    files = [path for folder in folders for path in json_files(folder) if not beside_its_picture(path)]
    if not any(path.stem.startswith("instances") for path in files):
        return files
    return [path for path in files if not path.stem.startswith(_OTHER_ANNOTATIONS)]


def _names(files: Sequence[CocoFile]) -> tuple[str, ...]:
    used: dict[str, None] = {}
    for file in files:
        numbers = (raw.get("category_id") for picture in file.pictures for raw in picture.annotations)
        with_objects = {number for number in numbers if isinstance(number, int | float | str)}
        for number, name in file.categories.items():
            if name.lower() not in BACKGROUND_NAMES or number in with_objects:
                used[name] = None
    if not used:
        raise DataError(f"{files[0].path}: `categories` is empty; expected the classes of the objects")
    return tuple(used)


def _by_split(files: Sequence[CocoFile]) -> tuple[dict[str, list[CocoFile]], tuple[str, ...]]:
    """Sort files by their splits, and say which are left out because others say more."""
    splits: dict[str, list[CocoFile]] = {}
    for file in files:
        splits.setdefault(_split_of(file.path), []).append(file)
    if "trainval" in splits:
        both = splits.pop("trainval")
        if "train" not in splits:
            splits["train" if splits else NO_SPLIT] = both
    whole = splits.pop(NO_SPLIT, []) if len(splits) > 1 else []
    guesses = [
        f"{file.path.name} is left out, because it is called as no split and other files are; if it is one, call it "
        "train, val or test"
        for file in whole
    ]
    return splits, tuple(guesses)


def _split_of(path: Path) -> str:
    words = re.findall("[a-z]+", path.stem.lower())
    for word in words:
        if word in SPLIT_NAMES or word == "trainval":
            return SPLIT_NAMES.get(word, word)
    return SPLIT_NAMES.get(path.parent.name.lower(), NO_SPLIT)


def _missing(
    file: CocoFile, missing: Sequence[CocoPicture], places: PicturePlaces, named: CocoPicture | None = None
) -> str:
    first = missing[0] if named is None else named
    looked = ", ".join(str(folder) for folder in sorted(places.folders))
    annotation = f", which annotation {first.annotations[0].get('id')} belongs to," if first.annotations else ""
    lost = f"{len(missing)} of its {counted(len(file.pictures), 'picture')} {agreeing(len(missing), 'is')}"
    return (
        f"{file.path}: {lost} missing: image {first.id} "
        f"'{first.file_name}'{annotation} is in none of {looked}; add the pictures, or take them out of the file"
    )


def _has_shape(raw: dict[str, Any]) -> bool:
    shape = raw.get("segmentation")
    return bool(shape) and shape != [[]]
