"""Showing progress on a terminal: lines and tables on stdout, a bar with the time left on stderr."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from pixelwise.listener import Progress
from pixelwise.pace import Pace, duration

SECONDS_BETWEEN_LINES, SECONDS_AT_FIRST, FIRST_SECONDS = 15.0, 4.0, 60.0
"""The seconds between two lines of progress where there is no terminal for a bar, and at first, while somebody may be
watching whether the work begins at all; and how long that is."""


class Counter:
    """A row of a bar; call it with the amount done and the amount in all.

    Args:
        bar: a running bar.
        doing: what is being done.
        total: how much there is to do.
    """

    def __init__(self, bar: Bar, doing: str, total: int) -> None:
        self._bar = bar
        self._pace = Pace()
        self._task = bar.add_task(escape(doing), total=total, note="", left="")

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move the bar."""
        if self._pace.mark(done):
            self._bar.reset(self._task, total=total)
        self._bar.update(self._task, completed=done, total=total, note=note, left=self._pace.left(total))


class Terminal:
    """A :class:`pixelwise.listener.Listener` that prints lines and tables to stdout, and shows bars on stderr.

    Where there is no terminal, as in a job on a cluster, progress is printed as a line from time to time.

    Args:
        console: prints lines and tables; one on stdout by default.
        bars: shows the bar; one on stderr by default.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        bars: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console or Console()
        self.bars = bars or Console(stderr=True)
        self._clock = clock
        self._begun = clock()
        self._bar: Bar | None = None

    def say(self, text: str) -> None:
        """Print a line, above the bar."""
        with self._bar_set_aside():
            self.console.print(text, highlight=False, markup=False)

    def warn(self, text: str) -> None:
        """Print a line to stderr, above the bar."""
        with self._bar_set_aside():
            self.bars.print(f"warning: {text}", highlight=False, markup=False, soft_wrap=True)

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Print rows of name, value and reason, the reasons in the background."""
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), show_header=False)
        for name, value, reason in rows:
            table.add_row(Text(name), Text(value), Text(reason, style="dim"))
        with self._bar_set_aside():
            self.console.print(table)

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Progress]:
        """Show a bar while the block runs; work that reports more than a number leaves a line when it is done."""
        pace, spoken_at = Pace(self._clock), self._clock()
        latest = (0, total, "")
        with self._row(doing, total) as row:

            def tell(done: int, total: int, note: str = "") -> None:
                nonlocal latest, spoken_at
                first_note = bool(note and not latest[2])
                latest = done, total, note
                pace.mark(done)
                if row is not None:
                    row(done, total, note)
                elif first_note or self._clock() - spoken_at > self._seconds_between_lines:
                    spoken_at = self._clock()
                    self._print_line(f"{doing} {done}/{total}", note, pace.left(total))

            yield tell
        done, total, note = latest
        if note:
            self._print_line(f"{doing} {done}/{total} in {duration(pace.elapsed)}", note)

    @contextmanager
    def waiting(self, doing: str) -> Iterator[None]:
        """Show that something takes a while whose progress is not known, such as importing libraries."""
        if self._shows_bars:
            with self.bars.status(f"{escape(doing)} ..."):
                yield
            return
        self._print_line(f"{doing} ...")
        ended, begun = threading.Event(), self._clock()

        def speak() -> None:
            while not ended.wait(SECONDS_AT_FIRST):
                self._print_line(f"still {doing}", f"{self._clock() - begun:.0f} s")

        speaker = threading.Thread(target=speak, daemon=True)
        speaker.start()
        try:
            yield
        finally:
            ended.set()
            speaker.join()

    @property
    def _shows_bars(self) -> bool:
        return self.bars.is_terminal and not os.environ.get("CI")

    @property
    def _seconds_between_lines(self) -> float:
        return SECONDS_AT_FIRST if self._clock() - self._begun < FIRST_SECONDS else SECONDS_BETWEEN_LINES

    def _print_line(self, *parts: str) -> None:
        self.console.print(", ".join(part for part in parts if part), highlight=False, markup=False)

    @contextmanager
    def _row(self, doing: str, total: int) -> Iterator[Counter | None]:
        """Give a row of the bar; the first row starts and stops the bar. None where no bar can be shown."""
        if not self._shows_bars:
            yield None
        elif self._bar is not None:
            yield Counter(self._bar, doing, total)
        else:
            with make_bar(self.bars) as self._bar:
                try:
                    yield Counter(self._bar, doing, total)
                finally:
                    self._bar = None

    @contextmanager
    def _bar_set_aside(self) -> Iterator[None]:
        bar = self._bar
        if bar is not None:
            bar.stop()
        try:
            yield
        finally:
            if bar is not None:
                bar.start()


def make_bar(console: Console) -> Bar:
    """Make the bar of all verbs; it is erased at the end."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
    )
    return Bar(*columns, console=console, transient=True)
