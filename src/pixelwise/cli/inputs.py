"""Parsing words of the command line."""

from __future__ import annotations

from pixelwise.errors import NumbersError, PixelwiseError, SettingError


def split_words(text: str) -> list[str]:
    """Split a list at its commas; spaces around words, and empty words, are dropped."""
    return [word.strip() for word in text.split(",") if word.strip()]


def parse_range(text: str | None) -> tuple[float, float] | None:
    """Read ``LOW,HIGH``, such as 0,4095; None where nothing was given.

    Raises:
        SettingError: it is not two numbers of which the second is the greater.
    """
    if text is None:
        return None
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not low < high or high - low == float("inf"):
        raise SettingError(
            f"{text}: expected the stored numbers that become black and white, such as 0,4095", argument="value_range"
        )
    return low, high


def message_of(error: PixelwiseError) -> str:
    """Word an error for people who typed a command: an argument is an option there, with its dashes."""
    if isinstance(error, SettingError) and error.argument is not None:
        return f"{_option(error.argument)}: {error.text}"
    if isinstance(error, NumbersError):
        return NumbersError.worded(error.text, _option(error.argument))
    return str(error)


def _option(argument: str) -> str:
    return f"--{argument.replace('_', '-')}"
