"""Splits made from the ids of the pictures and from which are copies, so that they are the same on every machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pixelwise.data.pairs import Pair
from pixelwise.io.ahead import in_threads

_BEGINNING_BYTES = 2**16


def carve(
    pairs: tuple[Pair, ...], fraction: float, seed: int, *, together: Iterable[Sequence[str]] = ()
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Divide pairs in two parts; the part of a picture depends only on its id, on its copies and on the seed.

    A picture that is added later and is no copy does not move any other, except in sets so small that one part would be
    empty: if there are two pictures or more, each part has at least one.

    Args:
        pairs: the pairs to divide.
        fraction: expected share of the second part, above 0 and below 1.
        seed: another seed gives another division.
        together: groups of ids that stay in one part, as copies of a picture do; a group of more than ``fraction`` of
            all stays in the larger part.

    Returns:
        The larger part and the smaller part, both in the given order.
    """
    group_of = {id: min(ids) for ids in together for id in ids}
    groups: dict[str, list[str]] = {}
    for pair in pairs:
        groups.setdefault(group_of.get(pair.id, pair.id), []).append(pair.id)
    if len(groups) == 1:  # nothing but copies, which the doctor tells of
        groups = {pair.id: [pair.id] for pair in pairs}
    places = {name: _place(name, seed) for name in groups}
    large = {name for name, ids in groups.items() if len(ids) > max(1, fraction * len(pairs))}
    chosen = {name for name, place in places.items() if place < fraction and name not in large}
    if len(groups) >= 2 and not chosen:
        chosen = {min(places, key=lambda name: (name in large, places[name]))}
    if len(groups) >= 2 and len(chosen) == len(groups):
        chosen.remove(max(places, key=places.__getitem__))
    carved = {id for name in chosen for id in groups[name]}
    return tuple(p for p in pairs if p.id not in carved), tuple(p for p in pairs if p.id in carved)


def same_pictures(pairs: Sequence[Pair]) -> list[list[str]]:
    """Find pairs whose picture files are the same, byte for byte; groups of ids of two or more.

    Only files of the same size and the same beginning are read whole. Files that cannot be read are no copies.
    """
    groups = [list(pairs)]
    for key in (_size, _beginning, _content):
        finer: dict[tuple[int, object], list[Pair]] = {}
        for number, group in enumerate(groups):
            for pair, value in zip(group, in_threads(key, [pair.image for pair in group]), strict=True):
                if value is not None:
                    finer.setdefault((number, value), []).append(pair)
        groups = [group for group in finer.values() if len(group) > 1]
    return [[pair.id for pair in group] for group in groups]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _beginning(path: Path) -> bytes | None:
    try:
        with path.open("rb") as opened:
            return hashlib.sha256(opened.read(_BEGINNING_BYTES)).digest()
    except OSError:
        return None


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest()
    except OSError:
        return None


def _place(name: str, seed: int) -> float:
    digest = hashlib.sha256(os.fsencode(f"{seed}/{name}")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
