"""Shards: parts of a job that several commands label, such as those of an array job, into one folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from pixelwise.errors import SettingError, quoted
from pixelwise.io.atomic import cannot_write

SETTINGS_FILE = ".pixelwise-shards.json"
"""The settings that all shards of a folder share, written by the first of them."""

_TABLE_NAME = re.compile(r"pictures-(\d+)-of-(\d+)\.parquet")


@dataclass(frozen=True)
class Shard:
    """A part of a job.

    Args:
        number: which part, from 1.
        of: how many parts there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``I/N``.

        Raises:
            SettingError: it is something else, or I is not within 1 .. N.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        shard = None if found is None else cls(int(found[1]), int(found[2]))
        if shard is None or not 1 <= shard.number <= shard.of:
            raise SettingError(
                f"{quoted(text)} is no part of a job; give I/N, such as 3/16, with I from 1 to N", argument="shard"
            )
        return shard

    @staticmethod
    def part_of(path: PurePath, of: int) -> int:
        """Give the part that a picture belongs to, which depends on its path below the given folder alone."""
        digest = hashlib.blake2b(os.fsencode(path.as_posix()), digest_size=8).digest()
        return int.from_bytes(digest, "big") % of + 1

    def holds(self, path: PurePath) -> bool:
        """Whether a picture, by its path below the given folder, belongs to this part; pages go with their file."""
        return self.part_of(path, self.of) == self.number

    def settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Give the settings of a job as its shards share them."""
        return {**settings, "shards": self.of}

    @property
    def table(self) -> str:
        """Name of the table of its pictures in the output folder."""
        return f"pictures-{self.number}-of-{self.of}.parquet"

    @property
    def record(self) -> str:
        """Name of the record of its finished pictures in the output folder."""
        return f".pixelwise-predict-{self.number}-of-{self.of}.jsonl"


def shared_settings(out: Path) -> dict[str, Any]:
    """Read the settings that the first shard of a folder wrote; empty where there is none."""
    with suppress(OSError, ValueError):
        settings = json.loads((out / SETTINGS_FILE).read_text(encoding="utf-8"))
        return settings if isinstance(settings, dict) else {}
    return {}


def first_settings(settings: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Write the settings that all shards of a folder share, unless another shard has done so.

    Args:
        settings: plain JSON types.
        out: the output folder.

    Returns:
        The settings of the first shard.

    Raises:
        PixelwiseError: the folder cannot be written to.
    """
    path = out / SETTINGS_FILE
    try:
        handle, beside = tempfile.mkstemp(prefix=SETTINGS_FILE, dir=out)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(settings, file)
            with suppress(FileExistsError):
                os.link(beside, path)  # whole or not at all, and by one of them
        finally:
            os.unlink(beside)
    except OSError as error:
        raise cannot_write(path, error) from error
    return shared_settings(out)


def agree_on(settings: Mapping[str, Any], out: Path) -> None:
    """Make sure that the settings of a shard are those of the first one; takes the same as :func:`first_settings`.

    Raises:
        SettingError: another shard has other settings.
        PixelwiseError: the folder cannot be written to.
    """
    found, given = first_settings(settings, out), json.loads(json.dumps(settings))
    differing = sorted(name for name in given.keys() | found.keys() if given.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise SettingError(
            f"{out}: the shards here were begun with other settings: {name} was {quoted(found.get(name))}, now it is "
            f"{quoted(given.get(name))}; give what the others have, or take another folder, or remove "
            f"{out / SETTINGS_FILE} and label all of them again"
        )


def shard_tables(out: Path) -> dict[Shard, Path]:
    """Find the tables of shards in a folder."""
    found = ((_TABLE_NAME.fullmatch(path.name), path) for path in out.iterdir()) if out.is_dir() else ()
    return {Shard(int(match[1]), int(match[2])): path for match, path in found if match is not None}
