"""The jobs of a server on disk, so that they outlive it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pixelwise.errors import SettingError
from pixelwise.io.atomic import write_json
from pixelwise.io.locking import lock
from pixelwise.io.outputs import make_folder

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]

ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")

_RECORD, _LOCK, _RESULTS = "job.json", "lock", "results"
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass
class JobRecord:
    """What is kept of a job.

    Args:
        id: its name, which cannot be guessed.
        model: the name that its model is served under.
        name: what the sender calls the picture.
        outputs: what is wanted.
        options: how the picture is labelled.
        created: when it was taken, in seconds of the clock.
        state: how far it has come.
        ended: when it ended.
        error: why it failed, as the members of a problem.
    """

    id: str
    model: str
    name: str
    outputs: list[str]
    options: dict[str, Any]
    created: float
    state: JobState = "waiting"
    ended: float | None = None
    error: dict[str, Any] | None = field(default=None)


class JobStore:
    """A folder of jobs, which one server uses at a time.

    Args:
        folder: is made where it is missing, and opened at once; None for a temporary one, made when it is needed.

    Raises:
        SettingError: it cannot be used, or another server uses it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._lock: BinaryIO | None = None
        self._given = folder
        if folder is not None:
            self._open(folder)

    def open(self) -> None:
        """Make the folder, if that was not done before."""
        if self._given is None and self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="pixelwise-jobs-")

    def close(self) -> None:
        """Let another server use the folder; a temporary one vanishes."""
        if self._lock is not None:
            self._lock.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _open(self, folder: Path) -> None:
        make_folder(folder, "state")
        self._lock = open(folder / _LOCK, "ab")  # noqa: SIM115  held as long as the server runs
        try:
            lock(self._lock.fileno())
        except OSError:
            self._lock.close()
            raise SettingError(
                f"{folder}: another server keeps its jobs there; give each its own folder", argument="state"
            ) from None

    @property
    def _folder(self) -> Path:
        self.open()
        return Path(self._temporary.name) if self._temporary is not None else Path(self._given or "")

    def new_id(self) -> str:
        """Name a new job."""
        return secrets.token_hex(16)

    def folder_of(self, job: str) -> Path:
        """The folder of a job."""
        assert _ID.fullmatch(job)
        return self._folder / job

    def results_of(self, job: str) -> Path:
        """The folder of a job's results."""
        return self.folder_of(job) / _RESULTS

    def save(self, record: JobRecord) -> None:
        """Write what is kept of a job, whole or not at all.

        Raises:
            PixelwiseError: it cannot be written.
        """
        write_json(self.folder_of(record.id) / _RECORD, asdict(record))

    def load(self) -> list[JobRecord]:
        """Read all jobs, the oldest first; what an upload that was cut short has left is removed."""
        records = list[JobRecord]()
        if self._given is None and self._temporary is None:
            return records
        for folder in self._folder.iterdir():
            if not _ID.fullmatch(folder.name):
                continue
            try:
                records.append(JobRecord(**json.loads((folder / _RECORD).read_text(encoding="utf-8"))))
            except (OSError, ValueError, TypeError):
                shutil.rmtree(folder, ignore_errors=True)
        return sorted(records, key=lambda record: record.created)

    def remove(self, job: str, *, keep_record: bool = False) -> None:
        """Remove the files of a job, with or without what is known of it."""
        folder = self.folder_of(job)
        if not keep_record:
            shutil.rmtree(folder, ignore_errors=True)
            return
        for path in folder.iterdir():
            if path.name != _RECORD:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def is_id(text: str) -> bool:
    """Whether a text has the form of the name of a job."""
    return _ID.fullmatch(text) is not None
