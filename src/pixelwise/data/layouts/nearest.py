"""The message about a folder that no layout fits: which are near, what they lack, and how to describe the folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

from pixelwise.data.annotations.json_files import unreadable_json
from pixelwise.data.layouts.masks.folder import IMAGE_FOLDERS
from pixelwise.data.layouts.masks.patterns import compiled
from pixelwise.data.pairs import MASK_ENDING, folders_below
from pixelwise.data.unused import UNREAD_SUFFIXES, like_names
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.words import counted

_MOST_FILES = 20_000
"""Files that are looked at; a message is wanted at once, however large the folder is."""

_MOST_SMALL_FILES = 500
"""Files that are opened to see whether they are pointers of Git LFS."""

_MOST_FOLDERS = 32
"""Folders below that are tried."""

_MOST_PARSED = 20
"""JSON files that are looked into."""

_MOST_WEIGHED = 20
"""Files of a folder whose bytes are counted."""

_MOST_CANDIDATES = 8
"""Files that are tried as the mask of a picture."""

_PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg"})  # masks are seldom saved so

_LFS_MAGIC = b"version https://git-lfs"
_LFS_MOST_BYTES = 1024


@dataclass(frozen=True)
class _Seen:
    """What lies in a folder, as paths relative to it; not all of it where there is very much.

    Folders that may not be read are ``closed``.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    closed: tuple[str, ...] = ()

    @property
    def pictures(self) -> tuple[str, ...]:
        return tuple(name for name in self.files if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES)


def explain(root: Path, layouts: Sequence[ModuleType], fits: Callable[[Path], str | None]) -> str:
    """Say why no layout fits a folder and what to do about it.

    Args:
        root: the folder.
        layouts: all layouts, the most particular first. ``LOOKED_FOR`` of each is what it looks like, in words, and
            ``PARTS`` what it needs: for each part patterns, any of which will do and the first of which names it;
            folders end in a slash.
        fits: gives the name of the layout that fits another folder, or None.

    Returns:
        Lines: what the folder holds, what is wrong with its files, which folder below fits, the nearest layouts and
        what they lack, and a ``dataset.yaml`` for it.
    """
    seen = _look(root)
    present = sorted(path.name + "/" * path.is_dir() for path in root.iterdir() if not path.name.startswith("."))
    lines = [f"{root}: no layout fits. It holds {_shortened(present) or 'nothing'}"]
    lines += _pointers(root, seen) + _unread(seen)
    written = [root / name for name in seen.files if name.lower().endswith(".json")]
    lines += unreadable_json(written[:_MOST_PARSED]).values()
    if seen.closed:
        closed = counted(len(seen.closed), "folder")
        lines.append(f"{closed} may not be read, as {seen.closed[0]}; change the permissions")
    below = _below(root, fits)
    if below:
        whole = _described(root, seen) if len(below) > 2 and seen.pictures else []  # perhaps a folder for each picture
        return "\n".join([*lines, *below, *whole])
    near = _nearest(layouts, seen)
    if near:
        lines += ["The nearest layouts, and what they lack:", *(f"  {line}" for line in near)]
    else:
        plain = [layout.LOOKED_FOR for layout in layouts[-1:]]
        lines += [f"Nothing in it is part of a layout. The plainest one is {'; '.join(plain)}"]
    if seen.pictures:
        lines += _described(root, seen)
    return "\n".join(lines)


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a pointer of Git LFS, which stands for a file that was not downloaded."""
    try:
        if not path.is_file() or path.stat().st_size > _LFS_MOST_BYTES:
            return False
        with path.open("rb") as opened:
            return opened.read(len(_LFS_MAGIC)) == _LFS_MAGIC
    except OSError:
        return False


def lfs_advice(path: Path) -> str:
    """Say what a pointer of Git LFS is and how to get the file that it stands for."""
    return (
        f"{path}: this is a pointer of Git LFS and not the file itself; run `git lfs pull` where the data were cloned"
    )


def _look(root: Path) -> _Seen:
    files: list[str] = []
    folders: list[str] = []
    closed: list[str] = []

    def refused(error: OSError) -> None:
        closed.append(f"{Path(error.filename).relative_to(root).as_posix()}/")

    for above, below, names in os.walk(root, onerror=refused):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        place = Path(above).relative_to(root)
        folders += [f"{(place / name).as_posix()}/" for name in below]
        files += [(place / name).as_posix() for name in sorted(names) if not name.startswith(".")]
        if len(files) > _MOST_FILES:
            break
    return _Seen(tuple(files), tuple(folders), tuple(closed))


def _pointers(root: Path, seen: _Seen) -> list[str]:
    wanted = [name for name in seen.files if PurePosixPath(name).suffix.lower() not in (".txt", ".md")]
    step = max(1, len(wanted) // _MOST_SMALL_FILES)
    pointers = [name for name in wanted[::step] if is_lfs_pointer(root / name)]
    if not pointers:
        return []
    stand = counted(len(pointers), "file", "stands", of=len(wanted[::step]))
    return [
        f"{stand} for what was not downloaded (pointers of Git LFS), as {pointers[0]}; run `git lfs pull` where "
        "the data were cloned"
    ]


def _unread(seen: _Seen) -> list[str]:
    kinds: dict[str, list[str]] = {}
    for name in seen.files:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in UNREAD_SUFFIXES:
            kinds.setdefault(suffix, []).append(name)
    return [
        f"{counted(len(names), f'{suffix} file')} cannot be read, as {names[0]}; convert them to PNG"
        for suffix, names in sorted(kinds.items())
    ]


def _below(root: Path, fits: Callable[[Path], str | None]) -> list[str]:
    found = [(path, layout) for path in folders_below(root)[:_MOST_FOLDERS] if (layout := fits(path)) is not None]
    return [f"{path.name}/ fits ({layout}): give {path}" for path, layout in found]


def _nearest(layouts: Sequence[ModuleType], seen: _Seen) -> list[str]:
    """Describe the layouts of which something is there, those that lack the smallest share of their parts first."""
    folders = [name.lower() for name in seen.folders]
    files = [name.lower() for name in seen.files]
    ranked: list[tuple[float, int, str]] = []
    for number, layout in enumerate(layouts):
        absent = [part[0] for part in layout.PARTS if not any(_is_there(one, files, folders) for one in part)]
        share = len(absent) / len(layout.PARTS)
        if share == 1:
            continue
        lacks = f"lacks {', '.join(absent)}" if absent else "all is there, but no names of files belong together"
        ranked.append((share, number, f"{layout.LOOKED_FOR}: {lacks}"))
    return [line for _, _, line in sorted(ranked)[:4]]


def _is_there(pattern: str, files: Iterable[str], folders: Iterable[str]) -> bool:
    known = compiled(pattern.lower())
    return any(known.fullmatch(name) for name in (folders if pattern.endswith("/") else files))


def _described(root: Path, seen: _Seen) -> list[str]:
    """Name files that may be masks of a picture, and write the ``dataset.yaml`` that would say so."""
    picture = _example(root, seen.pictures)
    beside = _beside(picture, seen.pictures)[:_MOST_CANDIDATES]
    candidates = list(dict.fromkeys([*like_names(picture, seen.pictures), *beside]))
    candidates = [name for name in candidates if any(map(_is_called_mask, PurePosixPath(name).parts))] or candidates
    best = max(
        (
            (_fitting(*patterns, seen.pictures), -number, patterns)
            for number, candidate in enumerate(candidates[:_MOST_CANDIDATES])
            for patterns in _patterns(picture, candidate)
        ),
        default=None,
    )
    lines = []
    if best is not None and best[0]:
        chosen = candidates[-best[1]]
        candidates = [
            chosen,
            *(name for name in candidates if name != chosen and (name in beside) == (chosen in beside)),
        ]
    if candidates:
        listing = _shortened(candidates, most=3)
        verb = "looks like a mask" if len(candidates) == 1 else "look like masks"
        lines.append(f"{listing} {verb} of {picture}")
    if best is not None and best[0]:
        images, masks = best[2]
        head = f"If so, this is the {root / 'dataset.yaml'}, which pairs {counted(best[0], 'picture')}:"
    else:
        images, masks = _pattern_of(picture), "MASKS/*_mask.png"
        head = f"If there are masks, say where in {root / 'dataset.yaml'}, with the same stars for both:"
    return [*lines, head, f'  images: "{images}"', f'  masks: "{masks}"']


def _beside(picture: str, pictures: Sequence[str]) -> list[str]:
    """List what lies with a picture in a folder of its own, under names that other such folders have, too."""
    folder = PurePosixPath(picture).parent
    times = Counter(PurePosixPath(name).name for name in pictures)
    return [
        name
        for name in pictures
        if name != picture
        and PurePosixPath(name).is_relative_to(folder)
        and (times[PurePosixPath(name).name] > 1 or _is_called_mask(name))
    ]


def _example(root: Path, pictures: Sequence[str]) -> str:
    """Choose a file that is a picture rather than a mask, by the names of its folder and its own, and its bytes."""
    by_folder: dict[PurePosixPath, list[PurePosixPath]] = {}
    for path in map(PurePosixPath, pictures):
        by_folder.setdefault(path.parent, []).append(path)

    def likely(folder: PurePosixPath) -> tuple[bool, bool, int, int, int]:
        bare = [path for path in by_folder[folder] if not _is_called_mask(str(path))]
        photos = sum(path.suffix.lower() in _PHOTO_SUFFIXES for path in bare)
        stored = sum(_stored_bytes(root / path) for path in bare[:_MOST_WEIGHED])  # masks take few bytes
        named, masks = folder.name.lower() in IMAGE_FOLDERS, _is_called_mask(folder.name)
        return named, not masks, len(bare), photos, stored

    chosen = by_folder[max(by_folder, key=likely)]
    return str(min(chosen, key=lambda path: (_is_called_mask(str(path)), len(path.stem), path.name)))


def _stored_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # such as a link that leads nowhere
        return 0


def _is_called_mask(name: str) -> bool:
    return MASK_ENDING.search(f"_{PurePosixPath(name).stem}") is not None


def _patterns(picture: str, mask: str) -> list[tuple[str, str]]:
    """Write all patterns that may pair a picture with its mask: stars in their names, in folders of both, or in all.

    Stars in folders are for data that have a folder for each picture, as ``1/image.png`` and ``1/mask.png``.
    """
    named = shared_patterns(picture, mask)
    found = [] if named is None else [named]
    folders, others = (PurePosixPath(name).parts[:-1] for name in (picture, mask))
    shared = next(
        (place for place, (one, other) in enumerate(zip(folders, others, strict=False)) if one != other),
        min(len(folders), len(others)),
    )
    for places in [*([place] for place in range(shared)), *(range(place, shared) for place in range(shared - 1))]:
        for images, masks in [(picture, mask), *found[:1]]:
            starred = (_with_stars(images, places), _with_stars(masks, places))
            found += [starred] if starred[0] != starred[1] else []
    return found


def _with_stars(name: str, places: Collection[int]) -> str:
    parts = PurePosixPath(name).parts
    return "/".join("*" if place in places else part for place, part in enumerate(parts))


def shared_patterns(picture: str, mask: str) -> tuple[str, str] | None:
    """Write the patterns that pair a picture with its mask and others with theirs.

    Args:
        picture: path of the picture, relative to the data.
        mask: that of its mask.

    Returns:
        A pattern for pictures and one for masks, whose star stands for what the two names share; None where they share
        nothing.
    """
    first, second = PurePosixPath(picture), PurePosixPath(mask)
    shared = _shared(first.stem, second.stem)
    if not shared or (first.parent == second.parent and first.suffix == second.suffix and first.stem == second.stem):
        return None
    images, masks = (str(path.with_name(path.stem.replace(shared, "*", 1) + path.suffix)) for path in (first, second))
    return None if images == masks else (images, masks)


def _shared(first: str, second: str) -> str:
    """Find the beginning, else the end, that two names share, cut between words."""
    for turn in (1, -1):
        one, other = first[::turn], second[::turn]
        length = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
        shared = one[: min(len(one), len(other)) if length is None else length]
        goes_on = any(len(name) > len(shared) and name[len(shared)].isalnum() for name in (one, other))
        while goes_on and shared and shared[-1].isalnum():
            shared = shared[:-1]
        shared = shared.strip("_-. ")
        if shared:
            return shared[::turn]
    return ""


def _fitting(images: str, masks: str, pictures: Sequence[str]) -> int:
    """Count the pairs that two patterns make."""
    by_stars = {match.groups() for name in pictures if (match := compiled(masks).fullmatch(name))}
    matches = (compiled(images).fullmatch(name) for name in pictures if not compiled(masks).fullmatch(name))
    return sum(match is not None and match.groups() in by_stars for match in matches)


def _pattern_of(picture: str) -> str:
    path = PurePosixPath(picture)
    return str(path.with_name(f"*{path.suffix}"))


def _shortened(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
