"""What pixelwise raises when something it was given is at fault.

Every message names the file or the argument, what was found and how to mend it. The command line prints the
message alone and exits with status 2; anything else that is raised is a fault of pixelwise and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PixelwiseError(Exception):
    """Something given to pixelwise is at fault; the message says what it is and how to mend it."""


class DataError(PixelwiseError):
    """A picture, a mask or a data folder cannot be used as it is."""


class ModelError(PixelwiseError):
    """A model name, a model file or an encoder cannot be used as asked."""


class SettingError(PixelwiseError, ValueError):
    """An argument or a setting has a value that makes no sense here."""


def unknown_name(what: str, name: str, known: Iterable[str], *, limit: int = 5) -> str:
    """Compose the message for a name that is not known, with the nearest names that are.

    Args:
        what: what the name stands for, such as ``"model"``.
        name: the name that was asked for.
        known: all names that would do.
        limit: how many near names to offer at most.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=limit, cutoff=0.5)
    if near:
        return f"there is no {what} '{name}'; the nearest names are {', '.join(near)}"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"there is no {what} '{name}'; known: {shown}"
