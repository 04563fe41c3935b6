"""The interface that long work reports to: a terminal, a notebook or a server may implement it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT")


class Progress(Protocol):
    """A function that is told how much of the work is done."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Take the progress of the work.

        Args:
            done: steps, pictures or tiles that are done; if work is resumed, the first call gives the number that was
                done before.
            total: how many there are.
            note: a further remark on the state, such as the loss.
        """
        ...


class Listener(Protocol):
    """The object that long work reports to; estimating the time left is its task."""

    def say(self, text: str) -> None:
        """Show a line to the user: plain text, without markup."""
        ...

    def warn(self, text: str) -> None:
        """Show a line to the user that must not be missed: something is wrong, but the work goes on."""
        ...

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Show a table to the user, such as the plan of a run.

        Args:
            title: what the table shows.
            rows: name, value and reason of each row.
        """
        ...

    def progress(self, doing: str, total: int) -> AbstractContextManager[Progress]:
        """Show the progress of work while a block runs.

        Args:
            doing: what is being done, such as ``"scoring"``.
            total: how many steps, pictures or tiles there are.
        """
        ...


def tell_each(items: Iterable[ItemT], progress: Progress, total: int, *, done: int = 0) -> Iterator[ItemT]:
    """Give items on, and tell the progress after each.

    Args:
        items: the items.
        progress: what is told.
        total: how many items there are in all, with others that were done before.
        done: how many others were done before.
    """
    for number, item in enumerate(items, done + 1):
        yield item
        progress(number, total)


class Silent:
    """A listener that shows nothing."""

    def say(self, text: str) -> None:
        """Ignore the line."""

    def warn(self, text: str) -> None:
        """Ignore the line."""

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Ignore the table."""

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Progress]:
        """Ignore the progress."""
        yield _unheard


def _unheard(done: int, total: int, note: str = "") -> None:
    pass
