"""Reporting which files in the folder of a data set are used and which are not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from pixelwise.data.annotations.json_files import unreadable_json
from pixelwise.data.findings import Findings
from pixelwise.data.pairs import MASK_ENDING, PICTURE_ENDING, SPLIT_NAMES, Pair
from pixelwise.io.listing import list_files
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.words import counted

_UNREAD_SUFFIX_LISTS = (
    ".heic .heif .avif .jp2 .j2k .exr .psd .svg .ico .tga .hdr .raw .dng .cr2 .nef .arw",
    ".mat .dcm .nii .nrrd .mha .npz .h5 .hdf5 .pdf .ai",
)
UNREAD_SUFFIXES = frozenset(" ".join(_UNREAD_SUFFIX_LISTS).split())
"""Suffixes of files that hold pictures or masks and are not read here."""

_MOST_NAMED_FOLDERS = 3

_MOST_PARSED = 20
"""JSON files that are looked into where no layout reads them."""

_NO_ANNOTATIONS = frozenset({"classes", "labels", "notes", "readme", *SPLIT_NAMES})
"""Names of text files that lie among annotations and are none."""


@runtime_checkable
class ReadsFiles(Protocol):
    """Reads objects from known files."""

    def files(self) -> tuple[Path, ...]:
        """The files that it reads."""
        ...


def tell_used(root: Path, pairs: Iterable[Pair], findings: Findings) -> None:
    """Say which folders pictures and annotations are taken from, with a pair as an example.

    Args:
        root: the folder of the data.
        pairs: all pairs that are used.
        findings: where to add it.
    """
    taken = {pair.image: files[0] for pair in pairs if (files := annotation_files(pair))}
    if not taken:
        return
    word = "objects" if all(pair.mask is None for pair in pairs) else "masks"
    places = f"pictures from {_folders(root, taken)}, {word} from {_folders(root, taken.values())}"
    image, annotation = next(iter(taken.items()))
    example = f"{_relative(root, image)} with {_relative(root, annotation)}"
    findings.add("recognised", f"{places}, for example {example}")


def find_unused(root: Path, pairs: Iterable[Pair], findings: Findings) -> None:
    """Count the files that no pair uses, by the folders they lie in.

    Pictures are counted in all folders. Other files are counted if they have the names of used pictures and lie in a
    separate folder, because they may be another annotation, or if they are of the kind of the annotations beside them.

    Args:
        root: the folder of the data.
        pairs: all that is used, those that cannot be used among them.
        findings: where to put what is found.
    """
    pairs = list(pairs)
    told = {file for finding in findings if finding.kind == "mask_not_used" for file in finding.files}
    images = {pair.image.absolute() for pair in pairs}
    masks = {path.absolute() for pair in pairs for path in annotation_files(pair)}
    stems = {stem for pair in pairs for stem in _stems(pair.image)}
    picture_folders = {path.parent for path in images}
    mask_folders = {path.parent for path in masks if path.suffix.lower() in IMAGE_SUFFIXES} - picture_folders
    annotated_folders = picture_folders | {path.parent for path in masks}
    kinds = {(path.parent, path.suffix.lower()) for path in masks}
    pictures: list[str] = []
    annotations: list[str] = []
    texts: list[str] = []
    others: dict[str, list[str]] = {}
    unread: list[str] = []
    rest: list[Path] = []
    closed: list[Path] = []
    for path in list_files(root, closed=closed):
        suffix, place = path.suffix.lower(), path.absolute()
        name = path.relative_to(root).as_posix()
        if suffix in UNREAD_SUFFIXES:
            unread.append(name)
        elif place in images or place in masks or name in told:
            continue
        elif suffix not in IMAGE_SUFFIXES:
            if (place.parent, suffix) in kinds:
                texts += [name] if path.stem.lower() not in _NO_ANNOTATIONS else []
            elif place.parent not in annotated_folders and not stems.isdisjoint(_stems(path)):
                others.setdefault(path.parent.relative_to(root).as_posix(), []).append(name)
            else:
                rest.append(path)
        elif place.parent in picture_folders:
            pictures.append(name)
        elif place.parent in mask_folders:
            annotations.append(name)
        else:
            others.setdefault(path.parent.relative_to(root).as_posix(), []).append(name)
    if pictures:
        _note(findings, "picture_not_used", "picture", pictures)
    if annotations:
        _note(findings, "mask_not_used", "mask", annotations)
    if texts:
        _note(findings, "mask_not_used", "annotation file", texts)
    if unread:
        _note(findings, "format_not_read", "file of a format that is not read here", unread)
    damaged = unreadable_json([path for path in rest if path.suffix.lower() == ".json"][:_MOST_PARSED])
    if damaged:
        what = f"{counted(len(damaged), 'JSON file', 'is')} not used, as {next(iter(damaged.values()))}"
        findings.add("format_not_read", what, files=[path.relative_to(root).as_posix() for path in damaged])
    for shut in closed:
        name = shut.relative_to(root).as_posix()
        findings.add("folder_not_used", f"folder {name}/ is not used: it may not be read", files=[name])
    for folder, names in sorted(others.items()):
        alike = [name for name in names if not stems.isdisjoint(_stems(Path(name)))]
        noun = "picture" if Path(names[0]).suffix.lower() in IMAGE_SUFFIXES else "file"
        what = f"folder {folder}/ is not used: it holds {counted(len(names), noun)}, {names[0]} among them"
        if alike:
            what += f", and {counted(len(alike), 'name', 'is')} like those of pictures that are used"
        findings.add("folder_not_used", what, files=names)


def like_names(picture: str, names: Iterable[str]) -> list[str]:
    """Find the files whose names hold that of a picture, as candidates for its mask.

    A name that ends in a number is not held by one that ends in a longer number: ``1`` is no part of ``10_mask``.

    Args:
        picture: path of the picture.
        names: paths of files, the picture itself perhaps among them.
    """
    others = [name for name in names if name != picture]
    stem = Path(picture).stem.lower()
    whole = re.compile(rf"(?<!\d){re.escape(stem)}(?!\d)" if stem[:1].isdigit() else rf"{re.escape(stem)}(?!\d)")
    found = [name for name in others if whole.search(Path(name).stem.lower())]
    if not found:
        words = [word for word in re.split("[-_ ]", stem) if any(letter.isdigit() for letter in word)]
        found = [name for name in others if words and all(word in Path(name).stem.lower() for word in words)]
    return found


def annotation_files(pair: Pair) -> tuple[Path, ...]:
    """List the annotation files of a picture."""
    if pair.mask is not None:
        return (pair.mask,)
    return pair.objects.files() if isinstance(pair.objects, ReadsFiles) else ()


def _stems(path: Path) -> set[str]:
    """The names that a picture and its annotation may share: without suffixes, without endings such as ``_mask``."""
    stem = path.stem.lower()
    if Path(stem).suffix in IMAGE_SUFFIXES:  # a.jpg.png, a.jpg.json
        stem = Path(stem).stem
    return {stem, MASK_ENDING.sub("", stem), PICTURE_ENDING.sub("", stem)}


def _folders(root: Path, paths: Iterable[Path]) -> str:
    """Name the folders of files, or the one above all of them if there are many."""
    folders = list(dict.fromkeys(_relative(root, path.parent) for path in paths))
    if len(folders) <= _MOST_NAMED_FOLDERS:
        return ", ".join(f"{folder}/" for folder in folders)
    above = os.path.commonpath(folders) or "."
    return f"{counted(len(folders), 'folder')} below {above}/"


def _relative(root: Path, path: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _note(findings: Findings, kind: str, noun: str, names: list[str]) -> None:
    example = f", {names[0]} among them" if len(names) > 1 else f": {names[0]}"
    what = f"{counted(len(names), noun, 'is')} not used{example}"
    findings.add(kind, what, files=names)
