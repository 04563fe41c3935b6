"""Parsing words of the command line."""

from __future__ import annotations


def split_words(text: str) -> list[str]:
    """Split a list at its commas; spaces around words, and empty words, are dropped."""
    return [word.strip() for word in text.split(",") if word.strip()]
