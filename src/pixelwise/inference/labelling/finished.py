"""The record of finished pictures of a job, so that a stopped job does not begin again at the first picture."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pixelwise.inference.labelling.facts import PictureFacts
from pixelwise.io.atomic import cannot_write
from pixelwise.io.journal import Damaged, Seal, entries

RECORD_FILE = ".pixelwise-predict.jsonl"
"""Name of the record in the output folder; it is removed when the job has labelled all its pictures."""


class Finished:
    """The pictures that are finished, one line each in a file; memory holds 16 bytes and a place of each.

    Args:
        out: the output folder.
        settings: what results depend on besides the picture, as JSON types; a record of other settings is dropped.
        resume: whether to take over the record of a stopped job.
        file: name of the record.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], *, resume: bool, file: str = RECORD_FILE) -> None:
        self._path = out / file
        self._header = json.loads(json.dumps(settings))
        self._places: dict[bytes, int] = {}
        self._seal = Seal()
        self.continued = False
        """Whether there was a record with the same settings."""
        if resume and self._path.exists():
            self._take_over()
        if not self._places:
            self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._places)

    def _take_over(self) -> None:
        """Read the record up to the first line that is damaged or cut short, and cut it there."""
        whole = 0
        with open(self._path, "r+b") as record:
            with suppress(Damaged):  # pictures whose lines are lost are labelled again
                for number, line in enumerate(entries(record, self._seal)):
                    if number == 0 and line != self._header:
                        return
                    self.continued = True
                    if number:
                        self._places[_key(line["picture"])] = whole
                    whole = record.tell()
            record.truncate(whole)

    def find(self, picture: str) -> int | None:
        """Give the place of a picture in the record, if it is finished and all its files exist.

        Args:
            picture: identified by name, time and length.
        """
        place = self._places.get(_key(picture))
        if place is None or not all(Path(file).exists() for file in self._read(place)["files"]):
            return None
        return place

    def holds(self, picture: str) -> bool:
        """Whether a picture is finished; see :meth:`find`."""
        return self.find(picture) is not None

    def facts(self, place: int) -> PictureFacts:
        """Give what was recorded of the picture at a place."""
        return PictureFacts.from_json(self._read(place)["facts"])

    def _read(self, place: int) -> Any:
        with open(self._path, "rb") as record:
            record.seek(place)
            return json.loads(record.readline().partition(b" ")[2])

    def begin(self) -> None:
        """Write the record before the first picture is finished, so that a raster in work can be continued.

        Raises:
            PixelwiseError: the record cannot be written.
        """
        self._append()

    def add(self, picture: str, files: Iterable[str | Path], facts: PictureFacts | None = None) -> int:
        """Record a picture with the files that were written for it, and what is known of it.

        Returns:
            Its place in the record.

        Raises:
            PixelwiseError: the record cannot be written.
        """
        line: dict[str, Any] = {"picture": picture, "files": [os.path.abspath(file) for file in files]}
        if facts is not None:
            line["facts"] = facts.to_json()
        self._places[_key(picture)] = place = self._append(line)
        return place

    def _append(self, line: Mapping[str, Any] | None = None) -> int:
        """Append a line, after the settings where the record is new, and give its place."""
        try:
            begun = self._path.exists()
            with open(self._path, "ab") as record:
                if not begun:
                    self._seal = Seal()
                    record.write(self._seal.line(self._header))
                place = record.tell()
                if line is not None:
                    record.write(self._seal.line(line))
        except OSError as error:
            raise cannot_write(self._path, error) from error
        return place

    def remove(self) -> None:
        """Remove the record: the job is done."""
        self._path.unlink(missing_ok=True)


def _key(picture: str) -> bytes:
    return hashlib.blake2b(os.fsencode(picture), digest_size=16).digest()


def recorded_settings(out: Path, file: str = RECORD_FILE) -> dict[str, Any]:
    """Read the settings of a stopped job; empty where there is none, or its record is damaged."""
    with suppress(OSError, Damaged), open(out / file, "rb") as record:
        for settings in entries(record, Seal()):
            return settings if isinstance(settings, dict) else {}
    return {}
