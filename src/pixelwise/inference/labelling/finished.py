"""The record of finished pictures of a job, so that a stopped job does not begin again at the first picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pixelwise.io.atomic import cannot_write
from pixelwise.io.journal import Damaged, Seal, entries

RECORD_FILE = ".pixelwise-predict.jsonl"
"""Name of the record in the output folder; it is removed when the job has labelled all its pictures."""


class Finished:
    """The pictures that are finished, one line each in a file.

    Args:
        out: the output folder.
        settings: what results depend on besides the picture, as JSON types; a record of other settings is dropped.
        resume: whether to take over the record of a stopped job.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
        self._path = out / RECORD_FILE
        self._header = json.loads(json.dumps(settings))
        self._files: dict[str, list[str]] = {}
        self._seal = Seal()
        if resume and self._path.exists():
            self._take_over()
        if not self._files:
            self._path.unlink(missing_ok=True)

    def _take_over(self) -> None:
        """Read the record up to the first line that is damaged or cut short, and cut it there."""
        whole = 0
        with open(self._path, "r+b") as record:
            with suppress(Damaged):  # pictures whose lines are lost are labelled again
                for number, line in enumerate(entries(record, self._seal)):
                    if number == 0 and line != self._header:
                        return
                    if number:
                        self._files[line["picture"]] = line["files"]
                    whole = record.tell()
            record.truncate(whole)

    def holds(self, picture: str) -> bool:
        """Whether a picture, identified by name, time and length, is finished and all its files exist."""
        return picture in self._files and all(Path(file).exists() for file in self._files[picture])

    def add(self, picture: str, files: Iterable[Path]) -> None:
        """Record a picture with the files that were written for it.

        Raises:
            PixelwiseError: the record cannot be written.
        """
        lines = []
        if not self._path.exists():
            self._seal = Seal()
            lines.append(self._seal.line(self._header))
        lines.append(self._seal.line({"picture": picture, "files": [str(file.absolute()) for file in files]}))
        try:
            with open(self._path, "ab") as record:
                record.writelines(lines)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def remove(self) -> None:
        """Remove the record: the job is done."""
        self._path.unlink(missing_ok=True)


def recorded_settings(out: Path) -> dict[str, Any]:
    """Read the settings of a stopped job; empty where there is none, or its record is damaged."""
    with suppress(OSError, Damaged), open(out / RECORD_FILE, "rb") as record:
        for settings in entries(record, Seal()):
            return settings if isinstance(settings, dict) else {}
    return {}
