"""Writing a clean copy of a data set with faults, without the pictures that cannot be used and with plain masks.

The original is read and never changed. The copy is checked in turn, and kept only if it has no errors; otherwise, or if
the work is stopped, it is removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pixelwise.data.doctor.diagnosis import Diagnosis, diagnose
from pixelwise.data.findings import Findings
from pixelwise.data.locate import DESCRIPTION_FILE
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.data.targets import read_target
from pixelwise.errors import DataError, PixelwiseError
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.ahead import in_threads
from pixelwise.io.atomic import atomic_folder, cannot_write, taken, write_json, write_text
from pixelwise.io.csv_table import harmless, open_table
from pixelwise.io.masks import write_labels
from pixelwise.listener import Listener, Progress, Silent
from pixelwise.ops.rle import encode_rle
from pixelwise.types import LabelSpace, StoredValue

CHANGES = "changes.csv"
"""The name of the file that lists the differences from the original."""


@dataclass(frozen=True)
class Change:
    """One difference between the clean data set and the original.

    Args:
        file: the picture or the annotation file that was changed, relative to the original data; empty for all
            pictures.
        what: what was done.
        why: the finding that is the reason.
    """

    file: str
    what: str
    why: str


def write_clean_copy(
    diagnosis: Diagnosis, out: str | os.PathLike[str], *, listener: Listener | None = None
) -> tuple[Change, ...]:
    """Write the pictures that can be used, byte for byte, with their annotation in one plain form.

    Masks become index PNGs with a ``dataset.yaml`` that states what the indices mean; objects become COCO JSON, one
    file per split. Splits become folders. Pictures that cannot be used, second copies of a picture, pictures that are
    in the training split too, and objects that are annotated a second time are left out.

    Args:
        diagnosis: the diagnosis of the original data.
        out: the folder to write; it must not exist, or be empty.
        listener: it is told the progress of the writing.

    Returns:
        The differences from the original; they are in ``changes.csv``, too.

    Raises:
        DataError: no layout fits the data, or the result would still have errors.
        PixelwiseError: the folder is not empty, or cannot be written.
    """
    listener = Silent() if listener is None else listener
    target = _free(out, diagnosis.source)
    source, changes = _kept(diagnosis)
    with atomic_folder(target, replace=False) as folder:
        total = len(source.pairs)
        with listener.progress("writing a clean copy", total) as progress:
            if source.has_objects:
                changes += _write_objects(source, folder, progress)
            else:
                changes += _write_masks(source, folder, progress)
        _finish(folder, changes)
        _check(folder, listener)
    return tuple(changes)


def write_mapping(diagnosis: Diagnosis, out: str | os.PathLike[str]) -> tuple[Change, ...]:
    """Write a ``dataset.yaml`` that refers to the original data, and states what masks mean and which pictures to use.

    Args:
        diagnosis: the diagnosis of the original data.
        out: the folder to write; it must not exist, or be empty.

    Returns:
        The differences from the original; they are in ``changes.csv``, too.

    Raises:
        DataError: no layout fits the data, or the result would still have errors.
        PixelwiseError: the folder is not empty, or cannot be written.
    """
    target = _free(out, diagnosis.source)
    source, changes = _kept(diagnosis)
    content: dict[str, Any] = {"path": str(source.root.resolve())}
    if not source.has_objects:
        content |= _described(source.label_space)
    content["splits"] = {name: [pair.id for pair in pairs] for name, pairs in source.splits.items()}
    with atomic_folder(target, replace=False) as folder:
        write_text(folder / DESCRIPTION_FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        _finish(folder, changes)
        _check(folder, Silent())
    return tuple(changes)


def _free(out: str | os.PathLike[str], source: DataSource | None) -> Path:
    target = Path(out)
    if source is not None and target.resolve().is_relative_to(source.root.resolve()):
        raise PixelwiseError(f"{target}: it lies inside of the data, which stay as they are; name a folder beside them")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise taken(target)
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(target, error) from error
    return target


def _kept(diagnosis: Diagnosis) -> tuple[DataSource, list[Change]]:
    """Choose the pictures that are kept, and state why the others are not."""
    if diagnosis.source is None:
        raise DataError(diagnosis.findings[0].line)
    changes = []
    gone: set[str] = set()
    for finding in diagnosis.findings:
        if finding.gravity == "error":
            changes += [Change(id, "left out", finding.what) for id in sorted(finding.pairs - gone)]
            gone |= finding.pairs
        elif finding.kind == "repeated_line":
            changes += [
                Change(file, "lines that repeat another one are read once", finding.what) for file in finding.files
            ]
    splits: dict[str, tuple[Pair, ...]] = {}
    seen: set[str] = set()
    order = sorted(diagnosis.source.splits, key=lambda name: name != "train")
    copies = {id: set(ids) - {id} for ids in diagnosis.copies for id in ids}
    for name in order:
        kept = []
        for pair in diagnosis.source.splits[name]:
            if pair.id in gone:
                continue
            same = sorted(copies.get(pair.id, set()) & seen)
            if pair.id in seen:
                changes.append(Change(pair.id, f"left out of {name}", "the picture is in another split, too"))
            elif same:
                changes.append(Change(pair.id, "left out", f"the picture is the same as {same[0]}"))
            else:
                kept.append(pair)
                seen.add(pair.id)
        if kept:
            splits[name] = tuple(kept)
    if not splits:
        raise DataError(f"{diagnosis.source.root}: no picture is left that could be used")
    return replace(diagnosis.source, splits=splits), changes


def _write_masks(source: DataSource, folder: Path, progress: Progress) -> list[Change]:
    own = source.label_space
    space = LabelSpace(own.names, own.colors, 255 if len(own) <= 255 else 65535, own.background)

    def write(item: tuple[Pair, Path, Path]) -> None:
        pair, image, mask = item
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pair.image, image)
        labels = read_target(pair, own)
        write_labels(mask, np.where(labels == own.ignore_index, space.ignore_index, labels), space)

    items = []
    for name, pairs in source.splits.items():
        places = _places(pairs)
        for pair in pairs:
            image = folder / "images" / name / places[pair.id]
            items.append((pair, image, (folder / "masks" / name / places[pair.id]).with_suffix(".png")))
    list(in_threads(write, items, progress))
    content = _described(space)
    write_text(folder / DESCRIPTION_FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return [
        Change("", "masks hold class indices", f"{space.ignore_index} is void; {DESCRIPTION_FILE} names the others")
    ]


def _write_objects(source: DataSource, folder: Path, progress: Progress) -> list[Change]:
    names = source.label_space.names
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    changes = []
    (folder / "annotations").mkdir()
    total, done = len(source.pairs), 0
    for split, pairs in source.splits.items():
        places = _places(pairs)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, (pair, found) in enumerate(zip(pairs, in_threads(_read_objects, pairs), strict=True), 1):
            place = folder / "images" / split / places[pair.id]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pair.image, place)
            height, width = found.size
            images.append({"id": number, "file_name": places[pair.id], "width": width, "height": height})
            entries, repeated = _entries(found, number, len(annotations))
            annotations += entries
            if repeated:
                changes.append(Change(pair.id, f"{repeated} of its objects left out", "annotated twice"))
            done += 1
            progress(done, total)
        content = {"images": images, "annotations": annotations, "categories": categories}
        write_json(folder / "annotations" / f"instances_{split}.json", content)
    return [*changes, Change("", "objects are COCO JSON", "one file per split in annotations/")]


def _read_objects(pair: Pair) -> Instances:
    if pair.objects is None:
        raise DataError(f"{pair.image}: no objects are annotated")
    return pair.objects.read()


def _entries(found: Instances, image: int, before: int) -> tuple[list[dict[str, Any]], int]:
    """Give the objects of a picture in COCO's form, each once, and the number of repeated ones."""
    entries: list[dict[str, Any]] = []
    seen: set[tuple[Any, ...]] = set()
    masks: Sequence[BoxMask | None] = found.masks or [None] * len(found.labels)
    for label, box, mask, crowd in zip(found.labels.tolist(), found.boxes, masks, found.is_crowd.tolist(), strict=True):
        counts = None if mask is None else encode_rle(mask)
        key = (label, crowd, tuple(box.tolist()) if counts is None else counts["counts"])
        if key in seen:
            continue
        seen.add(key)
        left, top, right, bottom = (float(edge) for edge in box)
        area = (right - left) * (bottom - top) if mask is None else mask.area
        entries.append(
            {
                "id": before + len(entries) + 1,
                "image_id": image,
                "category_id": label + 1,
                "bbox": [left, top, right - left, bottom - top],
                "area": area,
                "iscrowd": int(crowd),
                "segmentation": [] if counts is None else dict(counts),
            }
        )
    return entries, len(found.labels) - len(entries)


def _places(pairs: Sequence[Pair]) -> dict[str, str]:
    """Give the path of each picture in the folder of its split, without the folders that all pictures share."""
    parts = {pair.id: Path(pair.id).parts for pair in pairs}
    folders = {part[:-1] for part in parts.values()}
    shared = 0
    while all(len(folder) > shared for folder in folders) and len({folder[shared] for folder in folders}) == 1:
        shared += 1
    return {id: "/".join(part[shared:]) for id, part in parts.items()}


def _described(space: LabelSpace) -> dict[str, Any]:
    """Give what masks of a label space mean, in the form of a ``dataset.yaml``."""
    stored: Mapping[StoredValue, int] = space.mapping or {index: index for index in range(len(space))}
    classes = {_text(value): space.names[index] for value, index in stored.items() if index != space.ignore_index}
    void = [_text(value) for value, index in stored.items() if index == space.ignore_index]
    content: dict[str, Any] = {"classes": classes, "ignore": void or [space.ignore_index]}
    if space.background is not None:
        content["background"] = space.names[space.background]
    content["colors"] = {name: _hex(color) for name, color in zip(space.names, space.colors, strict=True)}
    return content


def _text(value: StoredValue) -> int | str:
    return _hex(value) if isinstance(value, tuple) else value


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _finish(folder: Path, changes: Sequence[Change]) -> None:
    with open_table(folder / CHANGES) as write:
        write(["file", "change", "reason"])
        for change in changes:
            write([harmless(change.file), change.what, harmless(change.why)])


def _check(folder: Path, listener: Listener) -> None:
    """Check the data that were written.

    Raises:
        DataError: they still have an error.
    """
    found = diagnose(folder, listener=listener)
    Findings(list(found.findings)).refuse()
