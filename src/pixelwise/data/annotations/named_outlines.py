"""Objects whose annotation states their class as a word: the classes are known after every file is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.data.annotations.faults import refuse
from pixelwise.data.annotations.outlines import Outline, OutlinedObjects, Points
from pixelwise.data.pairs import BACKGROUND_NAMES, Found, Pair, read_names
from pixelwise.errors import DataError, unknown_name
from pixelwise.instances import Box, Size
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle


@dataclass(frozen=True, eq=False, slots=True)
class Named:
    """One annotated object.

    Args:
        class_name: the word for its class.
        name: the name of the object in errors.
        polygons: outlines of its parts.
        rle: its mask, if that is given instead of outlines.
        box: its box, if nothing else is known of it.
    """

    class_name: str
    name: str
    polygons: tuple[Points, ...] = ()
    rle: Rle | None = None
    box: Box | None = None


@dataclass(frozen=True, eq=False)
class Annotated:
    """A picture and its objects.

    Args:
        image: the picture.
        origin: the file that annotates it.
        objects: its objects.
        size: height and width, if the file states them.
        faults: why further objects, or the picture, cannot be read.
    """

    image: Path
    origin: Path
    objects: tuple[Named, ...]
    size: Size | None = None
    faults: tuple[str, ...] = ()


def found(
    layout: str,
    root: Path,
    splits: Mapping[str, Sequence[Annotated]],
    notes: Iterable[str] = (),
    *,
    names: tuple[str, ...] | None = None,
    named_by: Path | None = None,
) -> Found:
    """Make the pairs of a layout.

    Classes are those of ``classes.txt``, else those that the layout lists, else all words in alphabetical order.
    Objects of a class called background are left out. If objects have only boxes, they are read as boxes.

    Args:
        layout: name of the layout.
        root: the folder of the data.
        splits: split name -> annotated pictures.
        notes: what was recognised, in words for the user.
        names: classes in index order, if a file of the layout lists them.
        named_by: that file.

    Raises:
        DataError: no object states a class.
    """
    every = [picture for pictures in splits.values() for picture in pictures]
    used = {one.class_name for picture in every for one in picture.objects} - _backgrounds(every)
    path = root / "classes.txt"
    listed = read_names(path)
    if listed is None and named_by is not None:
        path = named_by
    names = listed or names or tuple(sorted(used))
    names = tuple(name for name in names if name.lower() not in BACKGROUND_NAMES)
    if not names:
        refuse([fault for picture in every for fault in picture.faults])
        raise DataError(
            f"{root}: none of {counted(len(every), 'annotated picture')} has an object, so there are no classes"
        )
    labels = {name: index for index, name in enumerate(names)}
    unlisted = {word: f"{unknown_name('class', word, names)} in {path}" for word in used if word not in labels}
    empty = sum(not picture.objects and not picture.faults for picture in every)
    emptied = (f"pictures without objects: {empty}",) if empty else ()
    masks = not any(one.box is not None for picture in every for one in picture.objects)
    boxed = () if masks else ("the annotations are boxes without outlines",)
    pairs = {
        split: tuple(_pair(root, picture, labels, unlisted, masks) for picture in pictures)
        for split, pictures in splits.items()
        if pictures
    }
    return Found(layout, pairs, names, notes=(*notes, *boxed, *emptied))


def _backgrounds(pictures: Iterable[Annotated]) -> set[str]:
    words = {one.class_name for picture in pictures for one in picture.objects}
    return {word for word in words if word.lower() in BACKGROUND_NAMES}


def _pair(root: Path, picture: Annotated, labels: Mapping[str, int], unlisted: Mapping[str, str], masks: bool) -> Pair:
    """Make a pair; ``unlisted`` says of classes that the list of classes lacks them."""
    faults = [
        f"{picture.origin}: {one.name}: {unlisted[one.class_name]}; correct the label, or add the class to the list"
        for one in picture.objects
        if one.class_name in unlisted
    ]
    outlines = tuple(
        Outline(labels[one.class_name], one.name, one.polygons, one.rle, one.box)
        for one in picture.objects
        if one.class_name in labels
    )
    reader = OutlinedObjects(outlines, picture.image, picture.origin, picture.size, masks, (*picture.faults, *faults))
    return Pair(picture.image.relative_to(root).as_posix(), picture.image, None, reader)
