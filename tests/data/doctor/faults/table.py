"""The table of faults: how to make each, and what the doctor is to say of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from pixelwise.data.findings import Gravity

Writer = Callable[[Path], None]
"""Writes a data set into a folder that is there and empty, or changes the one that lies in it."""


@dataclass(frozen=True)
class Fault:
    """One way in which a data set may be broken.

    Args:
        sound: writes the data set before it is broken.
        breaks: breaks it.
        kind: of the finding that tells of it.
        gravity: of that finding.
        says: what the line of the finding holds, such as the name of the file at fault.
        with_it: kinds of the other errors and warnings that the same fault causes; no further ones may be found.
    """

    sound: Writer
    breaks: Writer
    kind: str
    gravity: Gravity
    says: str
    with_it: frozenset[str] = frozenset()


FAULTS: dict[str, Fault] = {}
"""All faults, by their names."""


def fault(
    sound: Writer, kind: str, gravity: Gravity, says: str, *, with_it: Collection[str] = ()
) -> Callable[[Writer], Writer]:
    """Put a function that breaks a data set into the table, under its own name; see :class:`Fault`."""

    def register(breaks: Writer) -> Writer:
        name = breaks.__name__
        assert name not in FAULTS, name
        FAULTS[name] = Fault(sound, breaks, kind, gravity, says, frozenset(with_it))
        return breaks

    return register
