"""Pictures and masks that a ``dataset.yaml`` names by patterns, as ``A1/*_rgb.png`` and ``A1/*_label.png``."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from pixelwise.data.pairs import Pair, list_pictures, make_pair
from pixelwise.errors import DataError

_WILDCARD = re.compile(r"(\*\*/|\*)")


def is_pattern(name: str) -> bool:
    """Whether a name stands for many files."""
    return "*" in name


def compiled(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: ``*`` stands for any characters but a slash, ``**/`` for any folders or none."""
    parts = _WILDCARD.split(unicodedata.normalize("NFC", pattern))
    stars = {"*": "([^/]*)", "**/": "((?:.*/)?)"}
    return re.compile("".join(stars.get(part, re.escape(part)) for part in parts))


def pair_patterns(root: Path, images: str, masks: str, origin: Path) -> tuple[Pair, ...]:
    """Pair the files that two patterns name: a mask is that of the picture whose stars stand for the same.

    A file that is a mask by its pattern is no picture, so both may lie in one folder, as ``*.png`` and ``*_label.png``.

    Args:
        root: the folder of the data, which both patterns are relative to.
        images: the pattern of the pictures.
        masks: the pattern of the masks, with as many stars.
        origin: the file that holds the patterns, for errors.

    Returns:
        A pair for each picture, without a mask where none has its name.

    Raises:
        DataError: the patterns differ in their stars, or one of them fits no file.
    """
    if [*_WILDCARD.findall(images)] != [*_WILDCARD.findall(masks)]:
        raise DataError(
            f"{origin}: '{images}' and '{masks}' differ in their stars; what the stars of a picture stand for names "
            "its mask, so give both the same ones"
        )
    places = {unicodedata.normalize("NFC", path.relative_to(root).as_posix()): path for path in list_pictures(root)}
    by_stars = {match.groups(): name for name in places if (match := compiled(masks).fullmatch(name))}
    taken = set(by_stars.values())
    pictures = {name: match for name in places if name not in taken and (match := compiled(images).fullmatch(name))}
    for pattern, fitting in ((masks, taken), (images, pictures)):
        if not fitting:
            raise DataError(f"{origin}: '{pattern}' fits none of the {len(places)} picture files of {root}; correct it")
    return tuple(
        make_pair(root, places[name], places[by_stars[match.groups()]] if match.groups() in by_stars else None)
        for name, match in pictures.items()
    )
