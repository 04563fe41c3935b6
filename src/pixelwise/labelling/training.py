"""Training on what was labelled, in a process of its own whose lines tell how far it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pixelwise.errors import PixelwiseError, SettingError

KEPT_LINES = 12
"""Lines of the training that can be looked at."""

PATIENCE = 15.0
"""Seconds that a training has to end when it is told to."""

_PROGRESS = re.compile(r"^(?P<doing>\D.*?) (?P<done>\d+)/(?P<total>\d+)(?:, (?P<note>.*))?$")

Command = Callable[[Path, Path, float], Sequence[str]]
"""Gives the command for a data set, a run folder and minutes."""


def train_command(data: Path, run: Path, minutes: float) -> list[str]:
    """The command that trains with settings planned from the data."""
    program = [sys.executable, "-m", "pixelwise", "train"]
    return [*program, str(data), "--minutes", f"{minutes:g}", "--out", str(run)]


class Training:
    """At most one training at a time.

    Args:
        data: the folder of the data set; runs lie beside it.
        finished: is given the folder of a run that has finished.
        command: what is run.
    """

    def __init__(self, data: Path, finished: Callable[[Path], None], command: Command = train_command) -> None:
        self._data, self._finished, self._command = data, finished, command
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._state: dict[str, Any] = {"state": "none"}
        self._lock = threading.Lock()
        self._stopped = False

    def start(self, minutes: float) -> None:
        """Begin to train for a time.

        Raises:
            SettingError: a training runs already.
        """
        with self._lock:
            if self._state["state"] == "running":
                raise SettingError("a training runs already; stop it, or wait for its end", argument="minutes")
            run = self._free_folder()
            self._lines.clear()
            self._stopped = False
            self._process = subprocess.Popen(
                self._command(self._data, run, minutes),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, "COLUMNS": "400", "CI": "1"},  # whole lines, no bars
            )
            self._state = {"state": "running", "run": str(run), "doing": "", "done": 0, "total": 0, "note": ""}
            self._thread = threading.Thread(target=self._follow, args=(self._process, run), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the training that runs, if there is one, and wait for that."""
        process, self._stopped = self._process, True
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def describe(self) -> dict[str, Any]:
        """Say how far it is, in plain JSON types.

        Returns:
            ``state``: ``none``, ``running``, ``finished``, ``failed`` or ``stopped``; of a training also ``run``,
            ``doing``, ``done``, ``total``, ``note`` with the time left, and the last ``lines``.
        """
        with self._lock:
            return {**self._state, "lines": list(self._lines)}

    def _free_folder(self) -> Path:
        runs = self._data.absolute().with_name(f"{self._data.absolute().name}-runs")
        number = 1
        while (runs / str(number)).exists():
            number += 1
        return runs / str(number)

    def _follow(self, process: subprocess.Popen[str], run: Path) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._hear(line.rstrip())
        ended = "finished" if process.wait() == 0 else "failed"
        if ended == "finished":
            try:
                self._finished(run)
            except PixelwiseError as error:
                ended = "failed"
                self._hear(f"error: {error}")
        with self._lock:
            self._state["state"] = "stopped" if self._stopped and ended == "failed" else ended

    def _hear(self, line: str) -> None:
        found = _PROGRESS.match(line)
        with self._lock:
            if line:
                self._lines.append(line)
            if found:
                self._state |= {
                    "doing": found["doing"],
                    "done": int(found["done"]),
                    "total": int(found["total"]),
                    "note": found["note"] or "",
                }
