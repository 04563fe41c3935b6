"""Splits made from the ids of the pictures alone, so that they are the same on every machine."""

from __future__ import annotations

import hashlib
import os

from pixelwise.data.pairs import Pair


def carve(pairs: tuple[Pair, ...], fraction: float, seed: int) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Divide pairs in two parts; the part of a picture depends only on its id and the seed.

    A picture that is added later does not move any other, except in sets so small that one part would be empty: if
    there are two pictures or more, each part has at least one.

    Args:
        pairs: the pairs to divide.
        fraction: expected share of the second part, above 0 and below 1.
        seed: another seed gives another division.

    Returns:
        The larger part and the smaller part, both in the given order.
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
