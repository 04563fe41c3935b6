"""The classes of objects: converting those of the data to those of a ``dataset.yaml`` or a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pixelwise.data.checks import StatesSize
from pixelwise.data.dataset_yaml import Description
from pixelwise.data.layouts.objects.id_masks import UNNAMED_CLASS
from pixelwise.data.masks.merging import apply_description
from pixelwise.data.pairs import ObjectReader, Pair
from pixelwise.errors import DataError
from pixelwise.instances import Instances, Size
from pixelwise.types import LabelSpace
from pixelwise.words import counted

LEFT_OUT_CLASS = -1
"""The number of a class whose objects are left out."""

ClassTable = tuple[int, ...]
"""Class as the layout numbers it -> class as it is used, or LEFT_OUT_CLASS."""


@dataclass(frozen=True, eq=False)
class Relabelled:
    """Reads objects and exchanges their classes; objects of a class that is left out are dropped.

    Args:
        reader: reads them with their own classes.
        table: own class -> class.
    """

    reader: ObjectReader
    table: ClassTable

    def size(self) -> Size | None:
        """Height and width as the annotation states them."""
        return self.reader.size() if isinstance(self.reader, StatesSize) else None

    def read(self) -> Instances:
        """Read them; raises what the reader raises."""
        own = self.reader.read()
        labels = np.array(self.table, np.int64)[own.labels]
        return replace(own, labels=labels)[labels != LEFT_OUT_CLASS]


def object_classes(
    names: tuple[str, ...], description: Description | None = None, described_in: Path | None = None
) -> tuple[LabelSpace, ClassTable]:
    """Make the classes of objects, renamed, merged and coloured as a ``dataset.yaml`` says.

    A list of classes that has all names of the annotation puts them in its order, and may have more; a list of other
    names renames the classes in their order.

    Args:
        names: the classes that the annotation has, in index order.
        description: what the file says.
        described_in: the file, for errors.

    Raises:
        DataError: the file names classes that are not there, or leaves none.
    """
    if description is None or described_in is None:
        return _space(names), tuple(range(len(names)))
    places = tuple(range(len(names)))
    if description.classes is not None:
        names, places = _listed(names, description.names, described_in)
    base = replace(_space(names), mapping={index: index for index in range(len(names))})
    space = apply_description(base, description, described_in)
    kept = [index for index in range(len(space)) if index != space.background]
    if not kept:
        raise DataError(f"{described_in}: it leaves no class of objects; correct `merge`, `ignore` or `background`")
    new = {old: place for place, old in enumerate(kept)}
    table = tuple(new.get(space.mapping[place], LEFT_OUT_CLASS) for place in places)
    colors = tuple(space.colors[index] for index in kept)
    return replace(_space([space.names[index] for index in kept]), colors=colors), table


def _listed(
    names: tuple[str, ...], listed: tuple[str, ...] | None, described_in: Path
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Give the classes that a list makes from those of the annotation, and the index of each of these in the list."""
    if listed is not None and set(names) <= set(listed):
        return listed, tuple(listed.index(name) for name in names)
    if listed is None or len(listed) != len(names):
        raise DataError(
            f"{described_in}: `classes`: the objects are of {counted(len(names), 'class')} ({', '.join(names[:8])}"
            f"{', ...' if len(names) > 8 else ''}); list as many names to rename them, or use `merge`"
        )
    moved = [name for name in listed if name in names and listed.index(name) != names.index(name)]
    if moved:
        raise DataError(
            f"{described_in}: `classes`: '{moved[0]}' is listed at place {listed.index(moved[0])}, but the annotation "
            f"has it at place {names.index(moved[0])} ({', '.join(names[:8])}), so it is unclear whether classes are "
            "renamed or put in another order; list the names of the annotation, or rename with `merge`"
        )
    return listed, tuple(range(len(names)))


def match_classes(space: LabelSpace, model: LabelSpace, root: Path) -> ClassTable:
    """Find the classes of a model for the classes of data, by their names.

    The single unnamed class of a map of ids fits a model of one class whatever its name.

    Args:
        space: the classes of the objects.
        model: those of the model; a background among them is no class of objects.
        root: the data, for errors.

    Raises:
        DataError: the model does not know a class.
    """
    known = [name for index, name in enumerate(model.names) if index != model.background]
    if space.names == (UNNAMED_CLASS,) and len(known) == 1:
        return (0,)
    unknown = [name for name in space.names if name not in known]
    if unknown:
        listed, classes = (", ".join(names[:8]) + (", ..." if len(names) > 8 else "") for names in (unknown, known))
        raise DataError(
            f"{root}: the objects are of classes that the model does not know: {listed} (it knows {classes}); merge, "
            "rename or ignore them in a dataset.yaml"
        )
    return tuple(known.index(name) for name in space.names)


def relabel(splits: Mapping[str, tuple[Pair, ...]], table: ClassTable) -> dict[str, tuple[Pair, ...]]:
    """Exchange the classes of all objects; pairs are unchanged where that has no effect."""
    if table == tuple(range(len(table))):
        return dict(splits)
    return {
        name: tuple(
            pair if pair.objects is None else replace(pair, objects=Relabelled(pair.objects, table)) for pair in pairs
        )
        for name, pairs in splits.items()
    }


def _space(names: Sequence[str]) -> LabelSpace:
    return LabelSpace(tuple(names), ignore_index=255 if len(names) <= 255 else 65535)
