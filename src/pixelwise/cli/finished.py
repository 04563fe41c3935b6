"""What a job over many pictures has finished, so that a stopped one does not begin again at the first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pixelwise.io.atomic import cannot_write

RECORD = ".pixelwise-predict.jsonl"
"""Name of the record in the output folder; it goes once the job has been through all its pictures."""


class Finished:
    """The pictures that are finished, one line each in a file.

    Args:
        out: the output folder.
        settings: what results depend on besides the picture, as JSON types; a record of other settings is dropped.
        resume: whether to take over the record of a stopped job.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
        self._path = out / RECORD
        self._files: dict[str, list[str]] = {}
        header = json.loads(json.dumps(settings))
        lines = self._path.read_text(encoding="utf-8").splitlines() if resume and self._path.exists() else []
        if lines and _parsed(lines[0]) == header:
            for line in filter(None, map(_parsed, lines[1:])):
                self._files[line["picture"]] = line["files"]
        else:
            self._path.unlink(missing_ok=True)
        self._header = header

    def holds(self, picture: str) -> bool:
        """Whether a picture, named with its time and length, is finished and its files are all there."""
        return picture in self._files and all(Path(file).exists() for file in self._files[picture])

    def add(self, picture: str, files: Iterable[Path]) -> None:
        """Note a picture with the files that were written for it.

        Raises:
            PixelwiseError: the record cannot be written.
        """
        new = [] if self._path.exists() else [self._header]
        new.append({"picture": picture, "files": [str(file.absolute()) for file in files]})
        try:
            with open(self._path, "a", encoding="utf-8") as record:
                record.writelines(json.dumps(line) + "\n" for line in new)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def remove(self) -> None:
        """Forget all: the job is done."""
        self._path.unlink(missing_ok=True)


def _parsed(line: str) -> Any:
    """Read a line; None where it was cut short."""
    try:
        return json.loads(line)
    except ValueError:
        return None
