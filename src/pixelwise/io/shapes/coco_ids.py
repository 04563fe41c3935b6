"""The ids that a COCO file gives pictures and categories, so that results can be scored against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pixelwise.errors import DataError, SettingError

Id = int | str


@dataclass(frozen=True)
class CocoIds:
    """Ids of pictures and categories.

    Args:
        source: the file they come from.
        images: file name as the file has it -> id.
        categories: name of a class -> id.
    """

    source: Path
    images: dict[str, Id]
    categories: dict[str, Id]

    @classmethod
    def read(cls, path: Path) -> CocoIds:
        """Read the ids of a COCO file; whether it has annotations does not matter.

        Raises:
            DataError: it is no COCO JSON, or two pictures or categories have one name.
        """
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: is no JSON ({error})") from None
        if not isinstance(content, dict) or not {"images", "categories"} <= content.keys():
            raise DataError(f"{path}: is no COCO file: it lacks `images` or `categories`")
        return cls(path, _by_name(content, "images", "file_name", path), _by_name(content, "categories", "name", path))

    def check(self, pictures: Iterable[str], classes: Sequence[str]) -> None:
        """Make sure that all pictures and classes have an id.

        Raises:
            SettingError: one has none, or a picture may be several of the file.
        """
        missing = [name for name in classes if name not in self.categories]
        if missing:
            known = ", ".join(self.categories)
            raise SettingError(
                f"{self.source}: its categories lack {', '.join(missing)} (it has {known}); give the file that the "
                "model's classes come from",
                argument="like",
            )
        for picture in pictures:
            self.image(picture)

    def image(self, picture: str) -> tuple[str, Id]:
        """Find a picture by its path below the folder that was given, else by its name alone: file name and id.

        Raises:
            SettingError: the file does not have it, or has several of that name.
        """
        if picture in self.images:
            return picture, self.images[picture]
        bare = PurePosixPath(picture).name
        alike = [name for name in self.images if PurePosixPath(name.replace("\\", "/")).name == bare]
        if len(alike) != 1:
            why = f"has several of that name ({', '.join(alike[:3])})" if alike else "does not have it"
            raise SettingError(
                f"{self.source}: no id for the picture {picture}: the file {why}; label the pictures that it lists",
                argument="like",
            )
        return alike[0], self.images[alike[0]]


def _by_name(content: dict[str, Any], part: str, key: str, path: Path) -> dict[str, Id]:
    found: dict[str, Id] = {}
    entries = content[part]
    for entry in entries if isinstance(entries, list) else [entries]:
        name, number = (entry.get(key), entry.get("id")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(number, int | str) or isinstance(number, bool):
            raise DataError(f"{path}: `{part}`: expected an id and a {key} each")
        if name in found:
            raise DataError(f"{path}: `{part}`: '{name}' is there twice, so its id is unclear")
        found[name] = number
    return found
