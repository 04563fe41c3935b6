"""The pictures of a job, and whether each is labelled in memory or from file to file."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from pixelwise.errors import DataError, SettingError
from pixelwise.inference.labelling.manifest import MANIFEST_SUFFIXES, read_manifest
from pixelwise.io.images import image_info
from pixelwise.io.listing import check_regular, is_broken_link, is_listed, list_files, naming_unreadable
from pixelwise.io.pictures.formats import PICTURE_MAGIC, TIFF_MAGIC
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.pictures.pages import count_pages
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.io.rasters.opening import is_for_gdal, open_source
from pixelwise.io.rasters.rows import NPY_MAGIC
from pixelwise.words import counted, listed

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


@dataclass(frozen=True)
class Collected:
    """What was found to label.

    Args:
        jobs: the pictures.
        unused: files in the folders that were searched, or that patterns match, that are not labelled.
    """

    jobs: tuple[Job, ...]
    unused: tuple[Path, ...] = ()


def collect(inputs: Sequence[str], out: Path, *, keep: Callable[[PurePath], bool] | None = None) -> Collected:
    """Find the pictures that files, folders and patterns stand for, each of them once, in the order given.

    Results keep the sub-folders of a folder or a pattern, below the folder's own name where several are given. Where
    two pictures differ by suffix only, the names of their results include the suffix.

    Args:
        inputs: files, Zarr stores, folders (searched with their sub-folders), patterns such as ``photos/**/*.jpg``,
            and manifests; see :func:`pixelwise.inference.labelling.manifest.read_manifest`.
        out: the output folder, which is not searched.
        keep: says of a path below the given folder whether its picture is wanted; the files of others are not looked
            at, but for the listing of folders. Names of results do not depend on it.

    Raises:
        DataError: an input matches nothing.
        SettingError: the results of two pictures would have one name.
    """
    several = sum(Path(text).is_dir() and not is_zarr(Path(text)) for text in inputs) > 1
    found: dict[Path, tuple[Path, PurePath]] = {}
    unused: dict[Path, Path] = {}
    others: set[PurePath] = set()
    for text in inputs:
        with naming_unreadable():
            expanded = _expand(text, out, keep_folder=several, keep=keep)
            for picture, relative in expanded.pictures:
                if keep is None or keep(relative):
                    found.setdefault(picture.resolve(), (picture, relative))
                else:
                    others.add(relative)
            for path in expanded.unused:
                unused.setdefault(path.absolute(), path)
    stems = Counter(relative.with_suffix("") for relative in [*(relative for _, relative in found.values()), *others])
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
    left = (path for path in unused.values() if path.resolve() not in found)
    return Collected(tuple(jobs), tuple(left))


def by_pages(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Take files that hold several pictures apart: a job for each, whose results end in ``-page001`` and so on.

    Where results of another picture have such a name, the suffix of the file is part of the names.

    Raises:
        SettingError: the results of two pictures would have one name.
    """
    counts: dict[Job, int] = {}
    for job in jobs:
        counts[job] = 1
        with suppress(DataError):  # reading it to be labelled says what is wrong
            counts[job] = _count_pages(job.picture)
    taken: dict[PurePath, Job] = {job.name: job for job in jobs if counts[job] == 1}
    apart: list[Job] = []
    for job in jobs:
        if counts[job] == 1:
            apart.append(job)
            continue
        pages = _pages(job, job.name.name, counts[job])
        if any(page.name in taken for page in pages):
            pages = _pages(job, job.picture.name.replace(".", "_"), counts[job])
        for page in pages:
            if page.name in taken:
                raise SettingError(
                    f"{taken[page.name].picture} and a page of {job.picture} would both be written as {page.name}; "
                    "rename one, or label them in two runs with different output folders"
                )
            taken[page.name] = page
        apart += pages
    return tuple(apart)


def _pages(job: Job, stem: str, count: int) -> list[Job]:
    return [replace(job, name=job.name.with_name(f"{stem}-page{page + 1:03d}"), page=page) for page in range(count)]


def _count_pages(path: Path) -> int:
    if path.is_dir():
        return 1
    with naming_the_file(path), open(path, "rb") as file:
        start = file.read(8)
    return count_pages(path) if start.startswith(PICTURE_MAGIC) else 1


@dataclass(frozen=True)
class _Expanded:
    """The pictures that one input stands for, each with its path relative to the input, and the other files there."""

    pictures: list[tuple[Path, PurePath]]
    unused: list[Path] = field(default_factory=list)


def _expand(text: str, out: Path, *, keep_folder: bool, keep: Callable[[PurePath], bool] | None) -> _Expanded:
    path = Path(text)
    if path.is_file() and path.suffix.lower() in MANIFEST_SUFFIXES:
        return _Expanded(read_manifest(path, keep=keep))
    if path.is_file() or is_zarr(path):
        return _Expanded([(path, PurePath(path.resolve().name if path.is_dir() else path.name))])
    if path.is_dir():
        root, above = path, PurePath(path.resolve().name if keep_folder else ".")
        candidates, suffixes = list_files(path, whole=is_zarr), IMAGE_SUFFIXES
    elif glob.has_magic(text):
        root, above = _fixed_part(path), PurePath(".")
        matches = [Path(match) for match in glob.glob(text, recursive=True)]
        candidates = sorted(match for match in matches if is_listed(match) or is_zarr(match))
        suffixes = IMAGE_SUFFIXES.union(RASTER_SUFFIXES)
    else:
        check_regular(path)
        raise DataError(f"{text}: there is no such file or folder")
    written = out.resolve()
    has_written = root.resolve() in written.parents  # results of an earlier run, inside the searched folder
    stores = {candidate for candidate in candidates if candidate.is_dir()}
    candidates = [
        candidate
        for candidate in candidates
        if stores.isdisjoint(candidate.parents)  # groups and chunks of a store
        and not any(part.startswith(".") for part in candidate.relative_to(root).parts)
        and not (has_written and written in candidate.resolve().parents)
    ]
    pictures = [
        candidate
        for candidate in candidates
        if candidate in stores or (candidate.suffix.lower() in suffixes and not is_broken_link(candidate))
    ]
    unused = sorted(set(candidates).difference(pictures))
    if not pictures:
        what = "the folder holds" if path.is_dir() else "the pattern matches"
        found = "".join(f"; {line}" for line in unused_lines(unused))
        raise DataError(f"{text}: {what} no pictures (looked for {', '.join(sorted(IMAGE_SUFFIXES))}){found}")
    return _Expanded([(picture, above / picture.relative_to(root)) for picture in pictures], unused)


def unused_lines(unused: Sequence[Path]) -> list[str]:
    """Say which files were found and are not labelled, a line for each reason, with one of them named."""
    links = [path for path in unused if is_broken_link(path)]
    arrays = [path for path in unused if path.suffix.lower() == ".npy" and path not in links]
    others = [path for path in unused if path not in links and path not in arrays]
    lines = []
    if links:
        lines.append(f"{counted(len(links), 'link', 'leads')} to a file that is not there, as {links[0]}")
    if arrays:
        advice = "name them, or give a pattern such as 'folder/*.npy', if they are pictures"
        lines.append(f"{counted(len(arrays), '.npy file', 'is')} not labelled, as {arrays[0]}; {advice}")
    if others:
        kinds = listed(dict.fromkeys(path.suffix.lower() or "no suffix" for path in others))
        lines.append(f"{counted(len(others), 'file', 'is')} no picture by name ({kinds}), as {others[0]}")
    return lines


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
