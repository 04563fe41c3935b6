"""What lies in the folder of a data set and is not used, so that nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from pixelwise.data.findings import Findings
from pixelwise.data.pairs import Pair, list_files
from pixelwise.io.images import IMAGE_SUFFIXES
from pixelwise.words import counted

_UNREAD_SUFFIX_LISTS = (
    ".heic .heif .avif .jp2 .j2k .exr .psd .svg .ico .tga .hdr .raw .dng .cr2 .nef .arw",
    ".mat .dcm .nii .nrrd .mha .npz .h5 .hdf5 .pdf .ai",
)
UNREAD_SUFFIXES = frozenset(" ".join(_UNREAD_SUFFIX_LISTS).split())
"""Suffixes of files that hold pictures or masks and are not read here."""


@runtime_checkable
class ReadsFiles(Protocol):
    """Reads objects from files that are known."""

    def files(self) -> tuple[Path, ...]:
        """The files that it reads."""
        ...


def find_unused(root: Path, pairs: Iterable[Pair], findings: Findings) -> None:
    """Count the picture files that no pair uses, by the folders they lie in.

    Args:
        root: the folder of the data.
        pairs: all that is used, those that cannot be used among them.
        findings: where to put what is found.
    """
    pairs = list(pairs)
    images = {pair.image.absolute() for pair in pairs}
    masks = {pair.mask.absolute() for pair in pairs if pair.mask is not None}
    for pair in pairs:
        if isinstance(pair.objects, ReadsFiles):
            annotating = (path for path in pair.objects.files() if path.suffix.lower() in IMAGE_SUFFIXES)
            masks.update(path.absolute() for path in annotating)
    picture_folders = {path.parent for path in images}
    mask_folders = {path.parent for path in masks} - picture_folders
    pictures: list[str] = []
    annotations: list[str] = []
    others: dict[str, list[str]] = {}
    unread: list[str] = []
    for path in list_files(root):
        suffix, place = path.suffix.lower(), path.absolute()
        name = path.relative_to(root).as_posix()
        if suffix in UNREAD_SUFFIXES:
            unread.append(name)
        elif suffix not in IMAGE_SUFFIXES or place in images or place in masks:
            continue
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
    if unread:
        _note(findings, "format_not_read", "file of a format that is not read here", unread)
    for folder, names in sorted(others.items()):
        what = f"folder {folder}/ is not used: it holds {counted(len(names), 'picture')}"
        findings.add("folder_not_used", f"{what}, {names[0]} among them", files=names)


def _note(findings: Findings, kind: str, noun: str, names: list[str]) -> None:
    what = f"{counted(len(names), noun, 'is')} not used, {names[0]} among them"
    findings.add(kind, what, files=names)


def nearest(root: Path, pair: Pair, names: Iterable[str]) -> list[str]:
    """Find the files whose names hold that of a picture, as candidates for its mask."""
    stem = pair.image.stem.lower()
    found = [name for name in names if stem in Path(name).stem.lower() and root / name != pair.image]
    if not found:
        words = [word for word in stem.replace("-", "_").split("_") if any(letter.isdigit() for letter in word)]
        found = [name for name in names if words and all(word in Path(name).stem.lower() for word in words)]
        found = [name for name in found if root / name != pair.image]
    return found
