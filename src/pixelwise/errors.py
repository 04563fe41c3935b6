"""The errors that pixelwise raises if something that it was given is at fault.

Every message names the file or the argument, what was found and how to mend it. The command line prints only the
message and exits with status 2. Any other error is a fault of pixelwise, and its traceback is shown.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

MOST_QUOTED_CHARACTERS = 60
"""The most characters of a value that a message shows."""


class PixelwiseError(Exception):
    """Something given to pixelwise is at fault; the message says what it is and how to mend it."""


class DataError(PixelwiseError):
    """A picture, a mask or a data folder cannot be used as it is."""


class NoLayoutError(DataError):
    """There is no such folder, or it fits no layout of data."""


class TooManyPixelsError(DataError):
    """A picture declares more pixels than are decoded whole.

    Args:
        text: what was found, what was expected and how to mend it.
        size: its height and width.
    """

    def __init__(self, text: str, size: tuple[int, int] = (0, 0)) -> None:
        super().__init__(text)
        self.size = size


class PagesError(DataError):
    """A file holds several pictures, but only one is expected."""


class NumbersError(DataError):
    """A picture holds numbers of another type or range than a network learned from; giving the range mends it.

    Args:
        text: what was found and what was expected.
    """

    argument = "value_range"
    """The name of the argument that mends it, in Python."""

    def __init__(self, text: str) -> None:
        super().__init__(self.worded(text, self.argument))
        self.text = text

    def __reduce__(self) -> tuple[type[NumbersError], tuple[str]]:
        """Go from one process to another by the text alone."""
        return type(self), (self.text,)

    @staticmethod
    def worded(text: str, argument: str) -> str:
        """Write the message with the name that its reader knows the argument by."""
        return f"{text}; give {argument} LOW,HIGH, the stored numbers that are to become black and white"


class ModelError(PixelwiseError):
    """A model name, a model file or an encoder cannot be used as asked."""


class SettingError(PixelwiseError, ValueError):
    """An argument or a setting has a value that it cannot have.

    Args:
        text: what was found, what was expected and how to mend it.
        argument: the name in Python of the argument at fault; the message begins with it, and the command line shows it
            as the option ``--argument``.
    """

    def __init__(self, text: str, *, argument: str | None = None) -> None:
        super().__init__(text if argument is None else f"{argument}: {text}")
        self.text = text
        self.argument = argument


class UnsupportedError(PixelwiseError, NotImplementedError):
    """Something was asked for that pixelwise does not compute."""


TRAIN_PACKAGES = ("huggingface_hub", "pytorch_lightning", "timm", "torch", "torchmetrics", "torchvision")
"""What the extra ``train`` installs; the package alone runs exported files."""


def missing_package(name: str) -> str:
    """Write the message for a package of the extra ``train`` that is not installed."""
    return (
        f"this needs the package {name}, which is not installed; install it with: pip install 'pixelwise[train]'. "
        "Without it, pixelwise runs exported files (.onnx, .xml)"
    )


class _Brief(reprlib.Repr):
    """Formats values briefly whatever they hold, such as very deeply nested lists or numbers of a million digits."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxdict = 20
        self.maxstring = self.maxother = MOST_QUOTED_CHARACTERS

    def repr_int(self, x: int, level: int) -> str:
        """Format a whole number; Python itself refuses to write numbers of more than 4,300 digits."""
        return repr(x) if x.bit_length() < 4096 else f"a number of {x.bit_length()} bits"


def quoted(value: object) -> str:
    """Format any value for a message; a long text is cut."""
    text = _Brief().repr(value)
    return text if len(text) <= MOST_QUOTED_CHARACTERS else text[: MOST_QUOTED_CHARACTERS - 3] + "..."


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Write the message for an unknown name, with the most similar known names.

    Args:
        what: the kind of thing that is named, such as ``"model"``.
        name: the unknown name.
        known: all known names.
    """
    names = sorted(known)
    if len(name) > MOST_QUOTED_CHARACTERS:
        return f"there is no {what} {quoted(name)}"
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    if near:
        return f"there is no {what} '{name}'; the nearest names are {', '.join(near)}"
    first = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"there is no {what} '{name}'; known: {first}"
