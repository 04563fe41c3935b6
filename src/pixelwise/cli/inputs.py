"""Parsing words of the command line."""

from __future__ import annotations

from pixelwise.errors import NumbersError, PixelwiseError, SettingError


def split_words(text: str) -> list[str]:
    """Split a list at its commas; spaces around words, and empty words, are dropped."""
    return [word.strip() for word in text.split(",") if word.strip()]


def message_of(error: PixelwiseError) -> str:
    """Word an error for people who typed a command: an argument is an option there, with its dashes."""
    if isinstance(error, SettingError) and error.argument is not None:
        return f"{_option(error.argument)}: {error.text}"
    if isinstance(error, NumbersError):
        return NumbersError.worded(error.text, _option(error.argument))
    return str(error)


def _option(argument: str) -> str:
    return f"--{argument.replace('_', '-')}"
