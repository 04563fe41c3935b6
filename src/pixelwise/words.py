"""Words that depend on a number, and lists in words."""

from __future__ import annotations

import re
from collections.abc import Iterable

IRREGULAR_PLURALS = {
    "epoch": "epochs",
    "axis": "axes",
    "vertex": "vertices",
    "is": "are",
    "was": "were",
    "has": "have",
    "does": "do",
    "touches": "touch",
}
"""Irregular words: nouns -> their plural, verbs in the singular -> verbs in the plural."""


def counted(count: int | str, noun: str, verb: str = "", *, of: int | None = None) -> str:
    """Write a number with its noun: ``"1 picture"``, ``"0 pictures"``, ``"12,000 steps"``, ``"1 of 3 masks has"``.

    Args:
        count: the number; or its text, such as ``f"{epochs:g}"``.
        noun: what is counted, in the singular: a word, or several such as ``"picture of split val"``.
        verb: a verb that follows, in the singular.
        of: how many there are in all, if ``count`` is a part of them.
    """
    number = count if isinstance(count, str) else f"{count:,}"
    every = number if of is None else f"{of:,}"
    words = [number] if of is None else [number, "of", every]
    words.append(noun if every == "1" else plural(noun))
    if verb:
        words.append(agreeing(number, verb))
    return " ".join(words)


def agreeing(count: int | str, verb: str) -> str:
    """Put a verb, given in the singular, into the form that agrees with a number."""
    if str(count) == "1":
        return verb
    return IRREGULAR_PLURALS[verb] if verb in IRREGULAR_PLURALS else verb.removesuffix("s")


def plural(noun: str) -> str:
    """Put a noun into the plural: its last word, or the last one before "of", "that" or "with"."""
    noun, *behind = re.split(r"( (?:of|that|with) .*)", noun, maxsplit=1)
    *before, last = noun.rsplit(" ", 1)
    if last in IRREGULAR_PLURALS:
        last = IRREGULAR_PLURALS[last]
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = f"{last[:-1]}ies"
    elif last.endswith(("s", "x", "ch", "sh")):
        last = f"{last}es"
    else:
        last = f"{last}s"
    return " ".join([*before, last]) + "".join(behind)


def listed(items: Iterable[str], *, most: int = 5) -> str:
    """List some of the items with commas between them."""
    items = list(items)
    return ", ".join(items[:most]) + (", ..." if len(items) > most else "")
