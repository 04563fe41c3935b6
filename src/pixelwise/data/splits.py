"""Splits made from the ids of the pictures alone, so that they are the same on every machine."""

from __future__ import annotations

import hashlib
import os

from pixelwise.data.pairs import Pair


def carve(pairs: tuple[Pair, ...], fraction: float, seed: int) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Divide pairs in two; which part a picture falls in depends on its id and the seed only.

    A picture added later moves no other, except in sets so small that one part would be empty: two pictures or more
    give at least one to each part.

    Args:
        pairs: the pairs to divide.
        fraction: expected share of the second part, above 0 and below 1.
        seed: another seed gives another division.

    Returns:
        The larger part and the part carved off, both in the order given.
    """
    places = {pair.id: _place(pair.id, seed) for pair in pairs}
    carved = {name for name, place in places.items() if place < fraction}
    if len(pairs) >= 2 and not carved:
        carved = {min(places, key=places.__getitem__)}
    if len(pairs) >= 2 and len(carved) == len(pairs):
        carved.remove(max(places, key=places.__getitem__))
    return tuple(p for p in pairs if p.id not in carved), tuple(p for p in pairs if p.id in carved)


def _place(name: str, seed: int) -> float:
    digest = hashlib.sha256(os.fsencode(f"{seed}/{name}")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
