"""What the words of a command line mean."""

from __future__ import annotations


def split_words(text: str) -> list[str]:
    """Take a list with commas apart; spaces around its words, and empty ones, do not count."""
    return [word.strip() for word in text.split(",") if word.strip()]
