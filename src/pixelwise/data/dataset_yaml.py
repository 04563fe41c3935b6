"""``dataset.yaml``: where a data set lies and what its masks mean, as its owner describes it.

All keys are optional::

    path: ../pictures            # the folder, relative to this file; the file's own folder when left out
    images: photos               # folders of pictures and masks in it, where their names are none of the usual ones
    masks: photos_annotated      # or patterns: images: "A1/*_rgb.png" and masks: "A1/*_label.png"; splits, too
    objects: photos_ids          # in place of masks: a folder of maps of object ids
    splits: {train: train.txt, val: [a, b, c]}
    attribute: species           # of VIA: the attribute of regions that names their class
    classes: [sky, road, tree]   # by index; or by stored value: {0: sky, 7: road}, {"#ff0000": road, "0 0 255": sky}
    merge: {ground: [road, tree], other: rest}
    ignore: [255, tree]          # stored values, colours, or names of classes
    background: other
    colors: {ground: "#804000"}
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pixelwise.errors import DataError, quoted, unknown_name
from pixelwise.io.yaml_text import load_yaml


def _parse_value(value: Any) -> Any:
    """Read ``#rrggbb``, ``r g b`` and ``[r, g, b]`` as a colour and leave the rest to pydantic."""
    if isinstance(value, str):
        if match := re.fullmatch(r"#([0-9a-fA-F]{6})", value):
            packed = int(match[1], 16)
            return packed >> 16, packed >> 8 & 255, packed & 255
        if match := re.fullmatch(r"(\d+)[ ,]+(\d+)[ ,]+(\d+)", value):
            return tuple(int(channel) for channel in match.groups())
    return value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Channel = Annotated[int, Field(ge=0, le=255)]
ColorField = Annotated[tuple[Channel, Channel, Channel], BeforeValidator(_parse_value)]
ValueField = Annotated[
    Annotated[int, Field(ge=0, le=65535)] | tuple[Channel, Channel, Channel], BeforeValidator(_parse_value)
]
NameField = Annotated[str, BeforeValidator(str), Field(min_length=1)]


class Description(BaseModel):
    """What a ``dataset.yaml`` says; the head of this file explains the keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "."
    images: str | None = None
    masks: str | None = None
    objects: str | None = None
    splits: dict[Literal["train", "val", "test"], str | list[NameField]] = Field(default_factory=dict)
    attribute: NameField | None = None
    classes: list[NameField] | dict[ValueField, NameField] | None = None
    merge: dict[NameField, Literal["rest", "others"] | list[ValueField | str]] = Field(default_factory=dict)
    ignore: Annotated[list[ValueField | str], BeforeValidator(_as_list)] = Field(default_factory=list)
    background: int | str | None = None
    colors: list[ColorField] | dict[NameField, ColorField] = Field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Class names in index order, where they are given as a list."""
        return tuple(self.classes) if isinstance(self.classes, list) else None


class _Loader(yaml.SafeLoader):
    """YAML in which only numbers are special: ``null``, ``no`` and ``on`` are names that classes have."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- PyYAML reads this attribute of the class
        start: [
            (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:merge")
        ]
        for start, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; keys may be lists (colours) and must differ, which PyYAML itself does not ask for."""
        built: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            key = tuple(key) if isinstance(key, list) else key
            if key in built:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key} is there twice", key_node.start_mark
                )
            built[key] = self.construct_object(value_node, deep=True)
        return built


def read_description(path: Path) -> Description:
    """Read a ``dataset.yaml``.

    Raises:
        DataError: the file is missing, is no YAML, or a key is unknown or has a value that makes no sense.
    """
    try:
        content = load_yaml(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected keys such as `classes:`, found {type(content).__name__}")
    content = {key: value for key, value in content.items() if value != ""}  # a key without a value
    for key in content:
        if key not in Description.model_fields:
            raise DataError(f"{path}: {unknown_name('key', str(key), Description.model_fields)}")
    try:
        description = Description.model_validate(content)
    except ValidationError as error:
        # A key may have several forms; the one that fits furthest is the one that was meant.
        nearest = max(error.errors(), key=lambda one: len(one["loc"]))
        raise DataError(f"{path}: `{nearest['loc'][0]}`: {quoted(nearest['input'])}: {nearest['msg']}") from error
    repeated = [name for name, times in Counter(description.names or ()).items() if times > 1]
    if repeated:
        raise DataError(
            f"{path}: `classes`: '{repeated[0]}' is listed twice, but names must differ. To read several values as one "
            f"class, write them as {{0: {repeated[0]}, 1: {repeated[0]}}}, or use `merge`"
        )
    return description
