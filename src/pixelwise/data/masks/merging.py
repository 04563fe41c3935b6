"""Making the classes that a ``dataset.yaml`` asks for from the classes in the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pixelwise.data.dataset_yaml import Description
from pixelwise.data.masks.labels import background_of
from pixelwise.errors import DataError, SettingError, unknown_name
from pixelwise.types import Color, LabelSpace, StoredValue, default_colors


def explicit_space(
    classes: Mapping[StoredValue, str] | Mapping[int, str] | Mapping[Color, str],
) -> LabelSpace:
    """Make the label space of classes that are given by stored value; one name may stand for several values."""
    names = tuple(dict.fromkeys(classes.values()))
    mapping = {value: names.index(name) for value, name in classes.items()}
    ignore = 255 if len(names) <= 255 else 65535
    by_color = all(isinstance(value, tuple) for value in classes)
    colors: tuple[Color, ...] = ()
    if by_color:
        first = {name: value for value, name in reversed(list(classes.items()))}
        colors = tuple(value for value in (first[name] for name in names) if isinstance(value, tuple))
    elif ignore not in mapping:
        mapping[ignore] = ignore
    return LabelSpace(names, colors, ignore, background_of(names), mapping)


def match_masks(own: LabelSpace, model: LabelSpace, named_by: str) -> LabelSpace:
    """Read masks as a model's classes, found by their names.

    Args:
        own: the classes in the masks, with the names of the data.
        model: the classes of the model.
        named_by: the file that names the classes of the data, for errors.

    Returns:
        The classes of the model, with the values of these masks.

    Raises:
        DataError: the model does not know a class.
    """
    unknown = [name for name in own.names if name not in model.names]
    if unknown:
        raise DataError(
            f"{named_by}: the model does not know {', '.join(unknown)}; the classes of the data are "
            f"{', '.join(own.names)}, those of the model {', '.join(model.names)}. Rename, merge or ignore classes in "
            "a dataset.yaml"
        )
    indices = {index: model.names.index(name) for index, name in enumerate(own.names)}
    indices[own.ignore_index] = model.ignore_index
    stored: dict[StoredValue, int] = dict(own.mapping) or {index: index for index in indices}
    return replace(model, mapping={value: indices[index] for value, index in stored.items()})


def apply_description(base: LabelSpace, description: Description, path: Path) -> LabelSpace:
    """Merge, ignore, colour and name the background of classes as a ``dataset.yaml`` says.

    Args:
        base: the classes as the masks hold them.
        description: the file's content.
        path: the file, for errors.

    Raises:
        DataError: a key names a class or value that is not there, or one class twice.
    """
    ignored = {_index(base, item, path, "ignore") for item in description.ignore if not _is_void(base, item)}
    groups = _groups(base, description, ignored, path)
    names = tuple(groups)
    place = {old: new for new, members in enumerate(groups.values()) for old in members}
    void = 255 if len(names) <= 255 else 65535
    mapping = {value: place.get(index, void) for value, index in _explicit(base).items()}
    mapping |= {item: void for item in description.ignore if not isinstance(item, str)}
    colors = _colors(base, groups, description, path)
    background = description.background
    if isinstance(background, str):
        if background not in names:
            raise DataError(f"{path}: `background`: {unknown_name('class', background, names)}")
        background = names.index(background)
    try:
        return LabelSpace(names, colors, void, background_of(names) if background is None else background, mapping)
    except SettingError as error:
        raise DataError(f"{path}: {error}") from error


def _explicit(base: LabelSpace) -> dict[StoredValue, int]:
    if base.mapping:
        return dict(base.mapping)
    return {**{index: index for index in range(len(base))}, base.ignore_index: base.ignore_index}


def _is_void(base: LabelSpace, item: StoredValue | str) -> bool:
    """Whether an item of ``ignore`` is a stored value that no class stands for."""
    return not isinstance(item, str) and _explicit(base).get(item, base.ignore_index) == base.ignore_index


def _index(base: LabelSpace, item: StoredValue | str, path: Path, key: str) -> int:
    """Find the class that a name or a stored value stands for."""
    if isinstance(item, str):
        if item not in base.names:
            raise DataError(f"{path}: `{key}`: {unknown_name('class', item, base.names)}")
        return base.names.index(item)
    index = _explicit(base).get(item, base.ignore_index)
    if index == base.ignore_index:
        raise DataError(f"{path}: `{key}`: no class stands for the stored value {item}")
    return index


def _groups(base: LabelSpace, description: Description, ignored: set[int], path: Path) -> dict[str, list[int]]:
    """Decide which old classes make up each new one; classes that ``merge`` leaves out stay as they are."""
    taken: dict[int, str] = dict.fromkeys(ignored, "ignore")
    groups: dict[str, list[int]] = {}
    rest: str | None = None
    for name, members in description.merge.items():
        groups[name] = []
        if isinstance(members, str):
            if rest is not None:
                raise DataError(f"{path}: `merge`: both '{rest}' and '{name}' take the rest; only one can")
            rest = name
            continue
        for member in members:
            index = _index(base, member, path, f"merge.{name}")
            if index in taken:
                raise DataError(f"{path}: `merge`: '{base.names[index]}' is in '{taken[index]}' and in '{name}'")
            taken[index] = name
            groups[name].append(index)
    left = [index for index in range(len(base)) if index not in taken]
    for index in left:
        name = base.names[index] if rest is None else rest
        if rest is None and name in groups:
            raise DataError(
                f"{path}: `merge`: '{name}' is a class of the masks too; list it in a group or rename the group"
            )
        groups.setdefault(name, []).append(index)
    return groups


def _colors(
    base: LabelSpace, groups: Mapping[str, list[int]], description: Description, path: Path
) -> tuple[Color, ...]:
    if isinstance(description.colors, list) and description.colors:
        return tuple(description.colors)
    colors = dict(zip(groups, default_colors(len(groups)), strict=True))
    if not description.merge:
        colors = {name: base.colors[members[0]] for name, members in groups.items()}
    given = description.colors if isinstance(description.colors, dict) else {}
    for name, color in given.items():
        if name not in groups:
            raise DataError(f"{path}: `colors`: {unknown_name('class', name, groups)}")
        colors[name] = color
    return tuple(colors.values())
