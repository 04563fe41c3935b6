"""The progress bar of verbs that go through pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Counter:
    """A bar on stderr; call it with the pictures done and the pictures in all.

    Args:
        bar: runs already.
        doing: what is being done.
        total: how many pictures there are.
    """

    def __init__(self, bar: Progress, doing: str, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task(doing, total=total)

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total)

    @contextmanager
    def tiles(self, name: str, total: int) -> Iterator[Callable[[int, int], None]]:
        """Show a second bar while the block runs, for the tiles of one large picture.

        Args:
            name: of the picture.
            total: how many tiles it has.

        Yields:
            A function to call with the tiles done and the tiles in all. Those done at the first call, by a job that was
            stopped, do not count for the time left.
        """
        task = self._bar.add_task(f"tiles of {name}", total=total)
        started = False

        def move(done: int, of: int) -> None:
            nonlocal started
            if not started and done > 1:
                self._bar.reset(task, total=of, completed=done)
            else:
                self._bar.update(task, completed=done, total=of)
            started = True

        try:
            yield move
        finally:
            self._bar.remove_task(task)

    def say(self, text: str) -> None:
        """Print a line to stdout, above the bar."""
        self._bar.stop()
        Console(soft_wrap=True).print(text, highlight=False, markup=False)
        self._bar.start()


@contextmanager
def counting(doing: str, total: int) -> Iterator[Counter]:
    """Show a bar with the time left on stderr while the block runs.

    Args:
        doing: what is being done, such as ``"scoring"``.
        total: how many pictures there are.

    Yields:
        A function to call with the pictures done and the pictures in all.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Counter(bar, doing, total)


class Terminal:
    """A :class:`pixelwise.listener.Listener` that prints lines to stdout, and shows bars on stderr.

    Args:
        console: prints the lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False)

    def progress(self, doing: str, total: int) -> AbstractContextManager[Counter]:
        """Show a bar with the time left."""
        return counting(doing, total)
