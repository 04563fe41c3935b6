"""YOLO-seg: ``images/`` and ``labels/`` with a text file per picture, a line per object, in shares of its size.

A line is a class index and the corners of a polygon, ``x y x y ...``; of four numbers it is a box, its middle and its
size. A picture without a file has no objects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pixelwise.data.annotations.outlines import AnnotationFile, Outline, boxes_among_outlines
from pixelwise.data.findings import Finding
from pixelwise.data.pairs import SPLIT_NAMES, Found, Pair, is_absolute, list_pictures, read_names, subfolder, tails
from pixelwise.errors import DataError
from pixelwise.instances import Size
from pixelwise.io.ahead import in_threads
from pixelwise.words import agreeing, counted

LOOKED_FOR = "images/ + labels/*.txt (YOLO, with data.yaml), with train/ val/ test/ below or above"
PARTS = (("images/", "*/images/"), ("labels/*.txt", "labels/*/*.txt", "*/labels/*.txt"))

_DATA_FILES = ("data.yaml", "data.yml")
_MOST_CLASSES = 10**5  # a class beyond it is no class
_LARGEST_COORDINATE_SHARE = 1.5  # shares beyond it are pixels that nobody divided by the size


def find(root: Path, described: Path | None = None, classes: tuple[str, ...] | None = None) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    Ultralytics' description of a data set, under whatever name, says where the splits are and names the classes. Where
    there is none, the folders say it, and ``classes.txt`` beside them or in ``labels/``.

    Args:
        root: the folder.
        described: the description, if it is known.
        classes: the classes in index order, where a ``dataset.yaml`` lists them; they win.

    Raises:
        DataError: the description or a line of a label file makes no sense.
    """
    if described is None:
        known = [root / name for name in _DATA_FILES if (root / name).is_file()]
        described = next(iter([*known, *filter(is_description, sorted(root.iterdir()))]), None)
    described_splits, guesses = _described(root, described) if described is not None else ({}, ())
    labelled = described_splits | {
        split: [(image, _label_file(image, images, labels)) for image in list_pictures(images)]
        for split, (images, labels) in _folders(root)
        if split not in described_splits and not (described_splits and split == "all")
    }
    files = [path for pictures in labelled.values() for _, path in pictures if path.is_file()]
    if not files:
        return None
    names: tuple[str, ...] | None
    if classes is not None:
        names = classes
    elif described is not None:
        names = _names(described)
    else:  # beside the folders, or where LabelImg writes it
        names = read_names(root / "classes.txt") or read_names(root / "labels" / "classes.txt")
    peeks = list(in_threads(_peek, files))
    highest = max((peek.highest for peek in peeks), default=0)
    unnamed = names is None
    if names is None:
        names = tuple(f"class {index}" for index in range(1 + highest))
    elif classes is not None and highest >= len(classes):
        file = next(path for path, peek in zip(files, peeks, strict=True) if peek.highest == highest)
        raise DataError(
            f"{file}: it holds class {highest}, but `classes` of the dataset.yaml lists "
            f"{counted(len(classes), 'class')}, 0 .. {len(classes) - 1}; list them all"
        )
    masks = any(peek.outlines for peek in peeks)
    notes = [] if masks else ["the labels are boxes without outlines"]
    if unnamed:
        notes.append("nothing names the classes; list them as `classes:` in a dataset.yaml")
    empty = sum(map(len, labelled.values())) - len(files)
    findings = _repeated({path: peek.repeated for path, peek in zip(files, peeks, strict=True) if peek.repeated}, root)
    boxed = [(path, peek.boxes) for path, peek in zip(files, peeks, strict=True) if peek.boxes]
    if masks and boxed:
        guesses = (
            *guesses,
            boxes_among_outlines(sum(count for _, count in boxed), Path(os.path.relpath(boxed[0][0], root)).as_posix()),
        )
    if empty:
        notes.append(f"pictures without a label file, taken as empty: {empty}")
    splits: dict[str, tuple[Pair, ...]] = {}
    for name, pictures in labelled.items():
        splits[name] = tuple(
            Pair(image.relative_to(root).as_posix(), image, None, AnnotationFile(path, image, names, parse, masks))
            for image, path in pictures
        )
    splits = {name: pairs for name, pairs in splits.items() if pairs}
    return Found("yolo", splits, names, notes=tuple(notes), guesses=guesses, findings=findings)


def _repeated(counts: Mapping[Path, int], root: Path) -> tuple[Finding, ...]:
    """Tell of lines that repeat another one of their file, given the number of them in each such file."""
    if not counts:
        return ()
    files = [Path(os.path.relpath(path, root)).as_posix() for path in counts]
    number = sum(counts.values())
    what = f"{counted(number, 'line', 'repeats')} another one of the same file and {agreeing(number, 'is')} read once"
    others = " among others" if len(files) > 1 else ""
    return (Finding("repeated_line", f"{what}, in {files[0]}{others}", "remove the copies", tuple(files)),)


def parse(path: Path, names: tuple[str, ...]) -> tuple[tuple[Outline, ...], Size | None]:
    """Read a label file; a missing one has no objects.

    Raises:
        DataError: a line makes no sense; the message names the file and the line.
    """
    if not path.is_file():
        return (), None
    outlines = []
    seen: set[tuple[str, ...]] = set()
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split()
        if words and tuple(words) not in seen:  # the same line again would be an object that can never be found
            seen.add(tuple(words))
            outlines.append(_outline(words, f"line {number}", path, names))
    return tuple(outlines), None


def _outline(words: list[str], name: str, path: Path, names: tuple[str, ...]) -> Outline:
    where = f"{path}: {name}"
    try:
        label, values = _class(words[0]), np.array(words[1:], np.float64)
    except ValueError as error:
        raise DataError(f"{where}: expected a class index and numbers, found '{' '.join(words)[:60]}'") from error
    if not 0 <= label < len(names):
        known = f"there {agreeing(len(names), 'is')} {counted(len(names), 'class')}, 0 .. {len(names) - 1}"
        raise DataError(f"{where}: class {label}, but {known}")
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > _LARGEST_COORDINATE_SHARE:
        raise DataError(f"{where}: coordinates are shares of the picture, 0 .. 1; one is {np.abs(values).max():g}")
    if len(values) == 4:
        x, y, width, height = values.tolist()
        if width < 0 or height < 0:
            raise DataError(f"{where}: the box has width {width:g} and height {height:g}")
        box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        return Outline(label, name, box=box, normalised=True)
    if len(values) < 6 or len(values) % 2:
        raise DataError(
            f"{where}: {counted(len(values), 'number')}; expected 4 of a box, or x and y of 3 corners or more"
        )
    return Outline(label, name, (values.reshape(-1, 2),), normalised=True)


def _class(word: str) -> int:
    """Read a class index; some tools write it with decimals, such as 0.0."""
    value = float(word)
    if value != int(value):
        raise ValueError(word)
    return int(value)


def is_description(path: Path) -> bool:
    """Whether a file is Ultralytics' description of a data set: YAML with ``names`` and ``train`` or ``val``."""
    if path.suffix.lower() not in (".yaml", ".yml") or not path.is_file():
        return False
    import yaml  # here, so that folders without YAML do not wait for it

    from pixelwise.io.yaml_text import load_yaml

    try:
        content = load_yaml(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return False
    return isinstance(content, Mapping) and "names" in content and bool({"train", "val"} & content.keys())


def _described(root: Path, described: Path) -> tuple[dict[str, list[tuple[Path, Path]]], tuple[str, ...]]:
    """Find the pictures and label files of each split where a description says they are, and say what is not there."""
    if not is_description(described):
        return {}, ()
    from pixelwise.io.yaml_text import load_yaml

    content = load_yaml(_text(described))
    base = described.parent / str(content.get("path") or ".")
    places = [place for place in (base, described.parent, root) if place.is_dir()]
    splits: dict[str, list[tuple[Path, Path]]] = {}
    guesses: list[str] = []
    for key in ("train", "val", "test"):
        given = content.get(key)
        entries = given if isinstance(given, list) else [given] if given else []
        absent: list[str] = []
        pictures = [image for entry in entries for image in _pictures_of(str(entry), places, absent)]
        if pictures:
            splits[key] = [(image, _beside_images(image)) for image in dict.fromkeys(pictures)]
        if absent and (pictures or key != "test"):  # many a set comes without the folder of tests that it names
            guesses.append(
                f"{described.name}: `{key}` names {absent[0]}, which is not there"
                + (f", as {counted(len(absent) - 1, 'other', 'is')}" if len(absent) > 1 else "")
                + "; what is there is used: add it, or correct the name"
            )
    return splits, tuple(guesses)


def _pictures_of(entry: str, places: list[Path], absent: list[str]) -> list[Path]:
    """List the pictures of a folder, a list of paths or a file; a ``../`` that leads nowhere (Roboflow) is left out.

    What is not there is added to ``absent``.
    """
    entry = entry.replace("\\", "/")
    elsewhere = tails(entry) if is_absolute(entry) else []  # a path of another machine
    for name in dict.fromkeys((entry, re.sub(r"^(\.\./)+", "", entry), *elsewhere)):
        for place in places:
            path = Path(os.path.normpath(place / name))
            if path.is_dir():
                return list_pictures(path)
            if path.suffix.lower() == ".txt" and path.is_file():
                named = [line.strip() for line in _text(path).splitlines() if line.strip()]
                return [image for line in named for image in _pictures_of(line, [path.parent, *places], absent)]
            if path.is_file():
                return [path]
    absent.append(entry)
    return []


def _beside_images(image: Path) -> Path:
    """Name the label file of a picture: in ``labels`` where the picture lies in ``images``, else beside it."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _folders(root: Path) -> list[tuple[str, tuple[Path, Path]]]:
    """Find the folders of pictures and of labels of each split, ``all`` where there are none."""
    images, labels = subfolder(root, ("images",)), subfolder(root, ("labels",))
    if images is not None and labels is not None:
        found = []
        for name, split in SPLIT_NAMES.items():
            below = subfolder(images, (name,))
            if below is not None:
                found.append((split, (below, subfolder(labels, (name,)) or labels)))
        return found or [("all", (images, labels))]
    found = []
    for name, split in SPLIT_NAMES.items():
        above = subfolder(root, (name,))
        pair = (subfolder(above, ("images",)), subfolder(above, ("labels",))) if above is not None else (None, None)
        if pair[0] is not None and pair[1] is not None:
            found.append((split, (pair[0], pair[1])))
    return found


def _label_file(image: Path, images: Path, labels: Path) -> Path:
    return (labels / image.relative_to(images)).with_suffix(".txt")


class _Peek(NamedTuple):
    """The highest class in a label file, and how many lines are outlines, are boxes, and repeat another one."""

    highest: int
    outlines: int
    boxes: int
    repeated: int


def _peek(path: Path) -> _Peek:
    """Look into a label file; what makes no sense is found by :func:`parse`."""
    highest = 0
    lines = [line for line in _text(path).splitlines() if line.strip()]
    for line in lines:
        with suppress(ValueError):
            highest = max(highest, min(_class(line.split()[0]), _MOST_CLASSES))
    lengths = [len(line.split()) for line in dict.fromkeys(lines)]
    outlines, boxes = sum(length > 5 for length in lengths), lengths.count(5)
    return _Peek(highest, outlines, boxes, len(lines) - len(lengths))


def _names(path: Path) -> tuple[str, ...] | None:
    import yaml  # here, so that folders without YAML do not wait for it

    from pixelwise.io.yaml_text import load_yaml

    try:
        content: Any = load_yaml(_text(path))
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not readable as YAML: {error}") from error
    names = content.get("names") if isinstance(content, Mapping) else None
    if isinstance(names, Mapping) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{path}: `names`: expected the classes in index order, as a list or as {{0: name, 1: name}}")
    if len(set(map(str, names))) != len(names):
        raise DataError(f"{path}: `names`: a name is there twice; names of classes must differ")
    return tuple(map(str, names))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a UTF-8 text file ({error.reason}); save it as UTF-8") from error
