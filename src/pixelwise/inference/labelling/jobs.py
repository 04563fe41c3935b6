"""The pictures of a job, and whether each is labelled in memory or from file to file."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from pixelwise.errors import DataError, SettingError
from pixelwise.io.images import IMAGE_SUFFIXES, image_info
from pixelwise.io.pictures.formats import PICTURE_MAGIC, TIFF_MAGIC
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.pictures.pages import count_pages
from pixelwise.io.rasters.opening import is_for_gdal, open_source
from pixelwise.io.rasters.rows import NPY_MAGIC

RASTER_SUFFIXES = (".npy", ".zarr")
"""Suffixes that patterns match besides those of pictures; folders are not searched for .npy files, which may hold
anything."""

_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")

STREAMED_PIXELS = 2**26
"""Pictures of more pixels are labelled from file to file."""


@dataclass(frozen=True)
class Job:
    """A picture to label.

    Args:
        picture: the file, or the folder of a Zarr store.
        name: where its results go, below the output folder and without suffix.
        page: which picture of the file, from 0 on, where it holds several that are labelled one by one.
    """

    picture: Path
    name: PurePath
    page: int | None = None


@dataclass(frozen=True)
class Options:
    """How pictures are labelled, whatever the picture.

    Args:
        kinds: what is wanted; see :data:`pixelwise.inference.labelling.outputs.OUTPUT_KINDS`.
        crf: whether a conditional random field aligns labels with the colours of their pictures.
        resume: whether to continue rasters that a stopped job has begun.
    """

    kinds: tuple[str, ...]
    crf: bool = False
    resume: bool = False


def is_raster(path: Path) -> bool:
    """Whether a file is labelled by windows.

    These are Zarr, .npy, TIFF with a georeference or no-data areas, formats of GDAL, and large pictures.

    Raises:
        DataError: the file cannot be read.
    """
    if path.is_dir():
        return True
    with naming_the_file(path), open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(NPY_MAGIC) or is_for_gdal(start):
        return True
    if start.startswith(TIFF_MAGIC):
        with open_source(path) as source:
            placed = source.georeference is not None or source.nodata is not None
            return placed or source.size[0] * source.size[1] > STREAMED_PIXELS
    height, width = image_info(path).size
    return height * width > STREAMED_PIXELS


def collect(inputs: Sequence[str], out: Path) -> tuple[Job, ...]:
    """Find the pictures that files, folders and patterns stand for, each of them once, in the order given.

    Results keep the sub-folders of a folder or a pattern, below the folder's own name where several are given. Where
    two pictures differ by suffix only, the names of their results include the suffix.

    Args:
        inputs: files, Zarr stores, folders (searched with their sub-folders) and patterns such as ``photos/**/*.jpg``.
        out: the output folder, which is not searched.

    Raises:
        DataError: an input matches nothing.
        SettingError: the results of two pictures would have one name.
    """
    several = sum(Path(text).is_dir() and not is_zarr(Path(text)) for text in inputs) > 1
    found: dict[Path, tuple[Path, PurePath]] = {}
    for text in inputs:
        for picture, relative in _expand(text, out, keep_folder=several):
            found.setdefault(picture.resolve(), (picture, relative))
    stems = Counter(relative.with_suffix("") for _, relative in found.values())
    jobs = []
    taken: dict[PurePath, Path] = {}
    for picture, relative in found.values():
        stem = relative.with_suffix("")
        name = stem if stems[stem] == 1 else stem.with_name(relative.name.replace(".", "_"))
        if name in taken:
            raise SettingError(
                f"{taken[name]} and {picture} would both be written as {name}; label them in two runs with different "
                "output folders, or give their folders instead"
            )
        taken[name] = picture
        jobs.append(Job(picture, name))
    return tuple(jobs)


def by_pages(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Take files that hold several pictures apart: a job for each, whose results end in ``-page001`` and so on.

    Raises:
        SettingError: the results of two pictures would have one name.
    """
    apart: list[Job] = []
    for job in jobs:
        count = 1
        with suppress(DataError):  # reading it to be labelled says what is wrong
            count = _count_pages(job.picture)
        if count == 1:
            apart.append(job)
            continue
        for page in range(count):
            apart.append(replace(job, name=job.name.with_name(f"{job.name.name}-page{page + 1:03d}"), page=page))
    names = Counter(job.name for job in apart)
    for job in apart:
        if names[job.name] > 1:
            raise SettingError(
                f"{job.picture}: results of another picture would be written as {job.name}, too; rename one"
            )
    return tuple(apart)


def _count_pages(path: Path) -> int:
    if path.is_dir():
        return 1
    with naming_the_file(path), open(path, "rb") as file:
        start = file.read(8)
    return count_pages(path) if start.startswith(PICTURE_MAGIC) else 1


def _expand(text: str, out: Path, *, keep_folder: bool) -> list[tuple[Path, PurePath]]:
    """Find the pictures that one input stands for, each with its path relative to the input."""
    path = Path(text)
    if path.is_file() or is_zarr(path):
        return [(path, PurePath(path.resolve().name if path.is_dir() else path.name))]
    if path.is_dir():
        root, above = path, PurePath(path.resolve().name if keep_folder else ".")
        candidates, suffixes = sorted(path.rglob("*")), IMAGE_SUFFIXES
    elif glob.has_magic(text):
        root, above = _fixed_part(path), PurePath(".")
        candidates = sorted(Path(match) for match in glob.glob(text, recursive=True))
        suffixes = IMAGE_SUFFIXES.union(RASTER_SUFFIXES)
    else:
        raise DataError(f"{text}: there is no such file or folder")
    written = out.resolve()
    has_written = root.resolve() in written.parents  # results of an earlier run, inside the searched folder
    stores = {candidate for candidate in candidates if is_zarr(candidate)}
    pictures = [
        candidate
        for candidate in candidates
        if (candidate in stores or (candidate.suffix.lower() in suffixes and candidate.is_file()))
        and stores.isdisjoint(candidate.parents)  # groups and chunks of a store
        and not any(part.startswith(".") for part in candidate.relative_to(root).parts)
        and not (has_written and written in candidate.resolve().parents)
    ]
    if not pictures:
        what = "the folder holds" if path.is_dir() else "the pattern matches"
        raise DataError(f"{text}: {what} no pictures (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    return [(picture, above / picture.relative_to(root)) for picture in pictures]


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in _ZARR_FILES)


def _fixed_part(pattern: Path) -> Path:
    """Give the folder of a pattern above its first wildcard."""
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)
