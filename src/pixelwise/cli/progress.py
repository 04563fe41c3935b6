"""The progress bar of verbs that go through pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def counting(doing: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left on stderr while the block runs.

    Args:
        doing: what is being done, such as ``"scoring"``.
        total: how many pictures there are.

    Yields:
        A function to call with the pictures done and the pictures in all.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)
