"""Findings about the pictures of a data set and the classes of their masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pixelwise.data.checks import find_unreadable
from pixelwise.data.doctor.facts import Facts
from pixelwise.data.findings import Findings, listed
from pixelwise.data.source import DataSource
from pixelwise.words import counted

RARE_SHARE = 0.001
"""The share of the annotated pixels below which a class is rare."""


def find_broken(facts: Sequence[Facts], findings: Findings) -> None:
    """Find files that cannot be read."""
    find_unreadable({one.id: one.error for one in facts if one.error}, len(facts), findings)


def find_mixtures(facts: Sequence[Facts], findings: Findings) -> None:
    """Find different channels or depths in one data set, and EXIF rotations that masks lack."""
    for what, values in (
        ("channels", Counter(one.channels for one in facts)),
        ("bits", Counter(one.bits for one in facts)),
    ):
        if len(values) > 1:
            text = ", ".join(f"{value}: {counted(count, 'picture')}" for value, count in values.most_common())
            rare = values.most_common()[-1][0]
            files = [one.id for one in facts if getattr(one, what) == rare]
            findings.add("mixed_pictures", f"pictures differ in {what} ({text}), {files[0]} among the few", files=files)
    turned = [one.id for one in facts if one.turned]
    if turned:
        what = f"{counted(len(turned), 'picture', 'has', of=len(facts))} an EXIF rotation that its mask lacks"
        mend = "look whether the mask fits the picture as it is shown; save both without a rotation"
        findings.add("turned_picture", f"{what}, {turned[0]} among them", mend=mend, files=turned)


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
