"""Findings about the pictures of a data set and the classes of their masks."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pixelwise.data.checks import find_unreadable
from pixelwise.data.doctor.facts import Facts
from pixelwise.data.findings import FINDING_KINDS, Findings
from pixelwise.data.source import DataSource
from pixelwise.words import counted, listed

RARE_SHARE = 0.001
"""The share of the annotated pixels below which a class is rare."""
HIDDEN_SHARE = 0.5
"""The least share of a class that lies where pictures are transparent for the class to be told."""
_BITS_OF_ONE_TYPE = 8
"""Pictures of at most so many bits hold numbers of one type."""


def find_broken(facts: Sequence[Facts], findings: Findings) -> None:
    """Find files that cannot be read."""
    find_unreadable({one.id: one.error for one in facts if one.error}, len(facts), findings)


def find_mixtures(facts: Sequence[Facts], findings: Findings) -> None:
    """Find different channels or depths in one data set, and EXIF rotations that masks lack."""
    channels = {one.id: one.channels for one in facts}
    if set(channels.values()) <= {1, 3}:
        mend = "grey pictures are learnt as colour pictures; look whether that is meant"
        _find_mixture("mixed_pictures", "channels", channels, mend, findings)
    else:
        channels = {id: 3 if count == 1 else count for id, count in channels.items()}
        mend = "bring all to one number of channels"
        _find_mixture("mixed_channels", "channels", channels, mend, findings)
    bits = {one.id: max(one.bits, _BITS_OF_ONE_TYPE) for one in facts}
    mend = "training refuses them unless a value range is given; save all with one depth"
    _find_mixture("mixed_pictures", "bits", bits, mend, findings)
    turned = [one.id for one in facts if one.turned]
    if turned:
        what = f"{counted(len(turned), 'picture', 'has', of=len(facts))} an EXIF rotation that its mask lacks"
        mend = "look whether the mask fits the picture as it is shown; save both without a rotation"
        findings.add("turned_picture", f"{what}, {turned[0]} among them", mend=mend, files=turned)


def _find_mixture(kind: str, what: str, values: Mapping[str, int], mend: str, findings: Findings) -> None:
    """Report pictures that differ in a property, whose value is given for the id of each picture."""
    ranked = Counter(values.values()).most_common()
    if len(ranked) > 1:
        text = ", ".join(f"{value}: {counted(count, 'picture')}" for value, count in ranked)
        files = [id for rare, _ in ranked[:0:-1] for id, value in values.items() if value == rare]
        says = f"pictures differ in {what} ({text}), {files[0]} among the few"
        findings.add(kind, says, mend=mend, files=files, pairs=files if FINDING_KINDS[kind].gravity == "error" else ())


def find_alike_classes(source: DataSource, facts: Sequence[Facts], findings: Findings) -> None:
    """Find classes whose names differ only in case, blanks, hyphens, underscores or the form of Unicode."""
    names = source.label_space.names
    alike: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        plain = re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name)).casefold()
        alike.setdefault(plain, []).append(index)
    for members in alike.values():
        if len(members) < 2:
            continue
        ids = {index: [one.id for one in facts if _shows(one, index)] for index in members}
        rare = ids[min(members, key=lambda index: len(ids[index]))]
        named = " and ".join(f"'{names[index]}' (on {counted(len(ids[index]), 'picture')})" for index in members)
        example = f", {rare[0]} among the few" if rare else ""
        mend = "if they are one class, correct the names, or merge the classes in a dataset.yaml"
        findings.add(
            "alike_classes", f"the classes {named} differ only in how they are written{example}", mend=mend, files=rare
        )


def _shows(one: Facts, index: int) -> bool:
    """Whether a class is annotated on a picture."""
    if one.objects is not None:
        return index in one.objects.labels
    return one.pixels is not None and one.pixels[index] > 0


def find_transparent(source: DataSource, facts: Sequence[Facts], findings: Findings) -> None:
    """Find classes that lie where pictures are transparent, as the background of cut-out objects does."""
    hidden = {one.id: one.hidden for one in facts if one.hidden is not None and any(one.hidden)}
    if not hidden:
        return
    lost = np.sum(list(hidden.values()), axis=0)
    shown = np.sum([one.pixels for one in facts if one.pixels is not None], axis=0)
    shares = lost / np.maximum(1, lost + shown)
    classes = [index for index, share in enumerate(shares.tolist()) if share >= HIDDEN_SHARE]
    if classes:
        files = [id for id, counts in hidden.items() if any(counts[index] for index in classes)]
        said = listed(f"{source.label_space.names[index]} ({100 * shares[index]:.3g}%)" for index in classes)
        what = (
            f"{counted(len(files), 'picture', 'is', of=len(facts))} transparent in places, {files[0]} among them, "
            f"where nothing is learnt or scored; most of {said} lies there"
        )
        mend = "if that is to be learnt, save the pictures without transparency (RGB)"
        findings.add("transparent_class", what, mend=mend, files=files)


def find_classes(source: DataSource, facts: Sequence[Facts], split_of: Mapping[str, str], findings: Findings) -> None:
    """Find classes that are rare or absent from a split, and pictures that training cannot learn from."""
    masked = {one.id: np.array(one.pixels, np.int64) for one in facts if one.pixels is not None}
    if not masked:
        return
    names = source.label_space.names
    for split in source.splits:
        counts = [pixels for id, pixels in masked.items() if split_of[id] == split]
        if not counts:
            continue
        absent = [name for name, pixels in zip(names, np.sum(counts, axis=0).tolist(), strict=True) if not pixels]
        if absent:
            findings.add("class_absent", f"split {split} has no pixel of {listed(absent)}")
    total = np.sum(list(masked.values()), axis=0)
    shares = total / max(1, total.sum())
    rare = [
        f"{name} {100 * share:.2g}%"
        for name, share in zip(names, shares.tolist(), strict=True)
        if 0 < share < RARE_SHARE
    ]
    if rare:
        findings.add("class_rare", f"{counted(len(rare), 'class')} with few of the annotated pixels: {listed(rare)}")
    empty = [id for id, pixels in masked.items() if not pixels.any()]
    if empty:
        what = f"{counted(len(empty), 'mask', 'is', of=len(masked))} void everywhere, {empty[0]} among them"
        mend = "annotate them, or leave them out; what is transparent in a picture is void, too"
        findings.add("all_ignored", what, mend=mend, files=empty)
    background = source.label_space.background
    if background is not None:
        bare = [id for id, pixels in masked.items() if pixels.any() and pixels.sum() == pixels[background]]
        if bare:
            what = f"{counted(len(bare), 'picture', 'shows', of=len(masked))} nothing but {names[background]}"
            findings.add("all_background", f"{what}, {bare[0]} among them", files=bare)
