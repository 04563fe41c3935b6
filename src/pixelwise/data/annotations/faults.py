"""Shapes of an annotation that make no sense: they are collected, so that one does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pixelwise.errors import DataError
from pixelwise.words import counted

Raw = TypeVar("Raw")
Parsed = TypeVar("Parsed")

_MOST_SAID = 5


def sort_out(parse: Callable[[Raw], Parsed], items: Iterable[Raw]) -> tuple[list[Parsed], tuple[str, ...]]:
    """Parse the shapes of a picture one by one.

    Returns:
        What those give that make sense, and why the others do not.
    """
    parsed, faults = [], []
    for item in items:
        try:
            parsed.append(parse(item))
        except DataError as error:
            faults.append(str(error))
    return parsed, tuple(faults)


def refuse(faults: Sequence[str]) -> None:
    """Raise if there are faults.

    Raises:
        DataError: there are; the message lists them.
    """
    if faults:
        more = len(faults) - _MOST_SAID
        rest = [f"and {counted(more, 'other fault')}"] if more > 0 else []
        raise DataError("; ".join([*faults[:_MOST_SAID], *rest]))
