"""The ids that a COCO file gives pictures and categories, so that results can be scored against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pixelwise.errors import DataError, SettingError, quoted
from pixelwise.instances import Size

Id = int | str


@dataclass(frozen=True)
class CocoEntry:
    """What a COCO file says about one picture.

    Args:
        name: the file name as the file has it.
        id: the picture's id.
        size: height and width in pixels; None where the file does not state both.
    """

    name: str
    id: Id
    size: Size | None = None


@dataclass(frozen=True)
class CocoIds:
    """Ids of pictures and categories.

    Args:
        source: the file they come from.
        images: file name as the file has it -> its picture.
        categories: name of a class -> id.
    """

    source: Path
    images: dict[str, CocoEntry]
    categories: dict[str, Id]

    @classmethod
    def read(cls, path: Path) -> CocoIds:
        """Read the ids of a COCO file; whether it has annotations does not matter.

        Raises:
            DataError: it is no COCO JSON, two pictures or two categories share a name or an id, or the size of a
                picture is not valid.
        """
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: is no JSON ({error})") from None
        except (ValueError, RecursionError):
            raise DataError(f"{path}: holds a number of more than 4,300 digits, or is nested too deep") from None
        if not isinstance(content, dict) or not {"images", "categories"} <= content.keys():
            raise DataError(f"{path}: is no COCO file: it lacks `images` or `categories`")
        images = _by_name(content, "images", "file_name", path)
        categories = _by_name(content, "categories", "name", path)
        return cls(
            path,
            {name: CocoEntry(name, entry["id"], _stated_size(entry, path)) for name, entry in images.items()},
            {name: entry["id"] for name, entry in categories.items()},
        )

    def check(self, pictures: Iterable[str], classes: Sequence[str]) -> None:
        """Make sure that every picture and every class has an id, and that no two share one.

        Raises:
            SettingError: a picture or class has no id, a picture fits several of the file, or two pictures fit the same
                one.
        """
        missing = [name for name in classes if name not in self.categories]
        if missing:
            known = ", ".join(self.categories)
            raise SettingError(
                f"{self.source}: its categories lack {', '.join(missing)} (it has {known}); give the file that the "
                "model's classes come from",
                argument="like",
            )
        taken: dict[str, str] = {}
        for picture in pictures:
            entry = self.entry(picture)
            if entry.name in taken:
                raise SettingError(
                    f"{self.source}: {taken[entry.name]} and {picture} would both be its picture {entry.name} (id "
                    f"{entry.id}); label only the pictures that it lists, or give the folder that its names begin in",
                    argument="like",
                )
            taken[entry.name] = picture

    def entry(self, picture: str) -> CocoEntry:
        """Find a picture by its path below the given folder, or else by its name alone.

        Raises:
            SettingError: the file does not have it, or has several of that name.
        """
        if picture in self.images:
            return self.images[picture]
        bare = PurePosixPath(picture).name
        alike = [name for name in self.images if PurePosixPath(name.replace("\\", "/")).name == bare]
        if len(alike) != 1:
            why = f"has several of that name ({', '.join(alike[:3])})" if alike else "does not have it"
            raise SettingError(
                f"{self.source}: no id for the picture {picture}: the file {why}; label the pictures that it lists",
                argument="like",
            )
        return self.images[alike[0]]

    def entry_of_size(self, picture: str, size: Size) -> CocoEntry:
        """Find a picture of height and width ``size`` as :meth:`entry` does.

        Raises:
            DataError: the file states another size, so that its annotations lie elsewhere.
            SettingError: as for :meth:`entry`.
        """
        entry = self.entry(picture)
        if entry.size not in (None, size):
            stated, found = (f"{height}x{width}" for height, width in (entry.size or size, size))
            raise DataError(
                f"{self.source}: {entry.name} (id {entry.id}) has {stated} pixels (height x width) there, but the "
                f"picture {picture} has {found}, so that what is found would lie elsewhere; label the picture that the "
                "file was made from, or correct the file"
            )
        return entry


def _by_name(content: dict[str, Any], part: str, key: str, path: Path) -> dict[str, dict[str, Any]]:
    """Index the entries of a part by name; no two share a name or an id."""
    found: dict[str, dict[str, Any]] = {}
    named: dict[Id, str] = {}
    entries = content[part]
    for entry in entries if isinstance(entries, list) else [entries]:
        name, number = (entry.get(key), entry.get("id")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(number, int | str) or isinstance(number, bool):
            raise DataError(f"{path}: `{part}`: expected an id and a {key} each, found {quoted(entry)}")
        if name in found:
            raise DataError(f"{path}: `{part}`: '{name}' is there twice, so its id is unclear")
        if number in named:
            raise DataError(
                f"{path}: `{part}`: the id {quoted(number)} is there twice ('{named[number]}', '{name}'); "
                "ids must differ"
            )
        found[name] = entry
        named[number] = name
    return found


def _stated_size(entry: dict[str, Any], path: Path) -> Size | None:
    """Give the height and width that an entry states; some tools write 0 or nothing where they do not know it."""
    height, width = entry.get("height"), entry.get("width")
    if not height or not width:
        return None
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise DataError(
            f"{path}: image {quoted(entry['id'])}: height and width are {quoted(height)} and {quoted(width)}; expected "
            "whole numbers of pixels"
        )
    return height, width
