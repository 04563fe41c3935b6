"""Who is told how long work goes: a terminal, a notebook, a server, or nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told how far work has come."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Take the news.

        Args:
            done: steps, pictures or tiles that are done; the first call of work that goes on where it was broken off
                tells what was done before.
            total: how many there are.
            note: what else there is to say of the state, such as the loss.
        """
        ...


class Listener(Protocol):
    """What long work talks to; time left is the listener's business."""

    def say(self, text: str) -> None:
        """Take a line for people to read: plain text, without markup."""
        ...

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Take a table for people to read, such as the plan of a run.

        Args:
            title: what the table shows.
            rows: name, value and reason, row after row.
        """
        ...

    def progress(self, doing: str, total: int) -> AbstractContextManager[Progress]:
        """Show while a block runs how far it has come.

        Args:
            doing: what is being done, such as ``"scoring"``.
            total: how many steps, pictures or tiles there are.
        """
        ...


class Silent:
    """A listener that nobody hears."""

    def say(self, text: str) -> None:
        """Drop the line."""

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Drop the table."""

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Progress]:
        """Drop the news."""
        yield _unheard


def _unheard(done: int, total: int, note: str = "") -> None:
    pass
