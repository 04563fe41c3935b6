"""Finding copies of pictures: the same file, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pixelwise.data.doctor.facts import Facts
from pixelwise.data.findings import Findings
from pixelwise.words import counted, listed

NEAR_BITS = 6
"""The most bits, of the 64 of a perceptual hash, that differ between nearly the same pictures."""
NEAR_CORRELATION = 0.98
"""The least correlation between the thumbnails of nearly the same pictures."""


def find_copies(facts: Sequence[Facts], split_of: Mapping[str, str], findings: Findings) -> None:
    """Find copies of pictures.

    A copy in another split makes scores too good, because the network was trained on the picture that is scored. It is
    an error if the files are the same, and a warning if the pictures are nearly the same. A split that holds nothing
    but training pictures is a warning, too: people make one to see whether a network can learn a few pictures by heart.

    Args:
        facts: the facts of pictures that can be read.
        split_of: id -> split.
        findings: the list that findings are added to.
    """
    same = same_files(facts)
    repeated = _repeated_splits(facts, same, split_of)
    for split, ids in repeated.items():
        what = f"split {split} holds nothing but copies of training pictures: {listed(ids, most=3)}"
        mend = "its scores say nothing about other pictures; keep different pictures in it"
        findings.add("split_repeats_train", what, mend=mend, files=ids)
    same = [[id for id in ids if split_of[id] not in repeated] for ids in same]
    same = [ids for ids in same if len(ids) > 1]
    across = [ids for ids in same if len({split_of[id] for id in ids}) > 1]
    within = [ids for ids in same if ids not in across]
    if across:
        lost = [id for ids in across for id in ids if split_of[id] != _split_to_keep(ids, split_of)]
        first = ", ".join(f"{id} ({split_of[id]})" for id in across[0][:3])
        what = f"{counted(len(across), 'picture', 'is')} in several splits, byte for byte: {first}"
        files = [id for ids in across for id in ids]
        findings.add("copy_across_splits", what, mend="keep each in one split", files=files, pairs=lost)
    if within:
        what = f"{counted(len(within), 'picture', 'is')} there several times: {', '.join(within[0][:3])}"
        findings.add("copy", what, mend="keep one of each", files=[id for ids in within for id in ids])
    copied = {id for ids in same for id in ids}
    alone = [one for one in facts if one.id not in copied and not one.plain]
    alike = near_pairs([one for one in alone if split_of[one.id] not in repeated])
    near = [(a, b) for a, b in alike if split_of[a] != split_of[b]]
    beside = [(a, b) for a, b in alike if split_of[a] == split_of[b]]
    if beside:
        what = f"{counted(len(beside), 'pair')} of nearly the same pictures in one split: {' and '.join(beside[0])}"
        findings.add("near_copy", what, files=dict.fromkeys(id for pair in beside for id in pair))
    if near:
        first = " and ".join(f"{id} ({split_of[id]})" for id in near[0])
        what = f"{counted(len(near), 'pair')} of nearly the same pictures in different splits: {first}"
        mend = "look at them; pictures of one scene belong into one split"
        findings.add("near_copy_across_splits", what, mend=mend, files=[id for pair in near for id in pair])


def _repeated_splits(
    facts: Sequence[Facts], same: Sequence[Sequence[str]], split_of: Mapping[str, str]
) -> dict[str, list[str]]:
    """Find the splits all of whose pictures are copies of training pictures: split -> ids of its pictures."""
    learnt = {id for ids in same if any(split_of[other] == "train" for other in ids) for id in ids}
    members: dict[str, list[str]] = {}
    for one in facts:
        if not one.plain and split_of[one.id] != "train":
            members.setdefault(split_of[one.id], []).append(one.id)
    return {split: ids for split, ids in members.items() if learnt.issuperset(ids)}


def same_files(facts: Sequence[Facts]) -> list[list[str]]:
    """Find the pictures whose files are the same, byte for byte, and give the ids of each group.

    Pictures of a single colour are left out, because they are equal without being copies.
    """
    groups: dict[str, list[str]] = {}
    for one in facts:
        if not one.plain:
            groups.setdefault(one.digest, []).append(one.id)
    return [ids for ids in groups.values() if len(ids) > 1]


def _split_to_keep(ids: Sequence[str], split_of: Mapping[str, str]) -> str:
    """Choose the split that keeps a picture which is in several: the training split, else the first."""
    splits = [split_of[id] for id in ids]
    return "train" if "train" in splits else splits[0]


def near_pairs(facts: Sequence[Facts]) -> list[tuple[str, str]]:
    """Find the pairs of ids whose pictures are nearly the same, by comparing hashes first, then thumbnails."""
    hashes = np.array([one.phash for one in facts], np.uint64)
    found = []
    for place in range(len(facts) - 1):
        apart = hashes[place + 1 :] ^ hashes[place]
        differing = np.unpackbits(apart.view(np.uint8).reshape(-1, 8), axis=1).sum(1)
        for other in (place + 1 + np.flatnonzero(differing <= NEAR_BITS)).tolist():
            first, second = facts[place].thumbnail, facts[other].thumbnail
            if first is not None and second is not None and float((first * second).sum()) >= NEAR_CORRELATION:
                found.append((facts[place].id, facts[other].id))
    return found
