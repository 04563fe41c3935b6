"""Objects whose annotation names their class by a word: the classes are known once every file is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.data.annotations.outlines import Outline, OutlinedObjects, Points
from pixelwise.data.labels import BACKGROUND_NAMES
from pixelwise.data.pairs import Found, Pair, read_names
from pixelwise.errors import DataError, unknown_name
from pixelwise.instances import Size
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle


@dataclass(frozen=True, eq=False, slots=True)
class Named:
    """One annotated object.

    Args:
        class_name: the word for its class.
        name: what to call the object in errors.
        polygons: outlines of its parts.
        rle: its mask, where that is given instead.
    """

    class_name: str
    name: str
    polygons: tuple[Points, ...] = ()
    rle: Rle | None = None


@dataclass(frozen=True, eq=False)
class Annotated:
    """A picture and its objects.

    Args:
        image: the picture.
        origin: the file that annotates it.
        objects: its objects.
        size: height and width as the file states them, if it does.
    """

    image: Path
    origin: Path
    objects: tuple[Named, ...]
    size: Size | None = None


def found(layout: str, root: Path, splits: Mapping[str, Sequence[Annotated]], notes: Iterable[str] = ()) -> Found:
    """Make the pairs of a layout; classes are those of ``classes.txt``, else all words in alphabetical order.

    Objects of a class called background are left out.

    Raises:
        DataError: ``classes.txt`` lacks a class, or no object names one.
    """
    every = [picture for pictures in splits.values() for picture in pictures]
    used = {one.class_name for picture in every for one in picture.objects} - _backgrounds(every)
    path = root / "classes.txt"
    names = read_names(path)
    if names is None:
        names = tuple(sorted(used))
    names = tuple(name for name in names if name.lower() not in BACKGROUND_NAMES)
    if not names:
        raise DataError(
            f"{root}: none of {counted(len(every), 'annotated picture')} has an object, so there are no classes"
        )
    labels = {name: index for index, name in enumerate(names)}
    for picture in every:
        for one in picture.objects:
            if one.class_name in used and one.class_name not in labels:
                raise DataError(
                    f"{picture.origin}: {one.name}: {unknown_name('class', one.class_name, names)} in {path}; correct "
                    "the label, or add the class to the list"
                )
    empty = sum(not picture.objects for picture in every)
    emptied = (f"pictures without objects: {empty}",) if empty else ()
    pairs = {
        split: tuple(_pair(root, picture, labels) for picture in pictures)
        for split, pictures in splits.items()
        if pictures
    }
    return Found(layout, pairs, names, notes=(*notes, *emptied))


def _backgrounds(pictures: Iterable[Annotated]) -> set[str]:
    words = {one.class_name for picture in pictures for one in picture.objects}
    return {word for word in words if word.lower() in BACKGROUND_NAMES}


def _pair(root: Path, picture: Annotated, labels: Mapping[str, int]) -> Pair:
    outlines = tuple(
        Outline(labels[one.class_name], one.name, one.polygons, one.rle)
        for one in picture.objects
        if one.class_name in labels
    )
    reader = OutlinedObjects(outlines, picture.image, picture.origin, picture.size)
    return Pair(picture.image.relative_to(root).as_posix(), picture.image, None, reader)
