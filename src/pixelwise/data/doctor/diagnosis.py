"""Looking at all files of a data set before anything is learnt from it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pixelwise.data.doctor.copies import find_copies
from pixelwise.data.doctor.facts import Facts, gather
from pixelwise.data.findings import GRAVITIES, Finding, Findings, listed
from pixelwise.data.source import DataSource, open_data
from pixelwise.data.survey import in_threads
from pixelwise.errors import DataError
from pixelwise.listener import Listener, Silent
from pixelwise.words import counted

FEW_PICTURES = 10
"""Pictures of a split below which its scores say little."""


@dataclass(frozen=True)
class Diagnosis:
    """What a look at a data set came to.

    Args:
        findings: all that was noticed, the gravest first.
        opened: whether a layout fits at all.
        summary: the data in plain JSON types.
    """

    findings: tuple[Finding, ...]
    opened: bool
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether training would take the data as they are."""
        return self.opened and not any(finding.gravity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain JSON types."""
        return {
            "findings": [
                {
                    "kind": one.kind,
                    "gravity": one.gravity,
                    "files": list(one.files),
                    "count": one.count,
                    "what": one.what,
                    "mend": one.mend,
                }
                for one in self.findings
            ],
            "usable": self.usable,
            "summary": dict(self.summary),
        }


def diagnose(path: str | os.PathLike[str], *, listener: Listener | None = None) -> Diagnosis:
    """Look at a data set: how it is read, every picture and mask, copies, classes, and what is not used.

    Args:
        path: the folder, or its ``dataset.yaml``.
        listener: told how far the looking is.
    """
    listener = Silent() if listener is None else listener
    findings = Findings()
    try:
        source = open_data(path, skip_bad=True)
    except DataError as error:
        findings.add("not_understood", str(error))
        return Diagnosis(tuple(findings), False)
    findings.made.extend(source.findings)
    pairs = {pair.id: pair for pair in source.pairs}
    split_of = {pair.id: name for name, split in source.splits.items() for pair in split}
    _find_shared(source, findings)
    space = None if source.has_objects else source.label_space
    facts: list[Facts] = []
    with listener.progress("looking at pictures", len(pairs)) as progress:
        for one in in_threads(partial(gather, label_space=space), list(pairs.values())):
            facts.append(one)
            progress(len(facts), len(pairs))
    broken = [one for one in facts if one.error]
    if broken:
        what = f"{counted(len(broken), 'picture', of=len(facts))} cannot be used: {broken[0].error}"
        ids = [one.id for one in broken]
        findings.add("unreadable", what, files=ids, pairs=ids)
    good = [one for one in facts if not one.error]
    find_copies(good, split_of, findings)
    _find_mixtures(good, findings)
    _find_classes(source, good, split_of, findings)
    ranked = sorted(findings, key=lambda one: GRAVITIES.index(one.gravity))
    return Diagnosis(tuple(ranked), True, _summary(source, good))


def _find_shared(source: DataSource, findings: Findings) -> None:
    """Find pictures that stand in two splits, and splits too small to say much."""
    places = Counter(pair.id for pairs in source.splits.values() for pair in {pair.id: pair for pair in pairs}.values())
    shared = [id for id, count in places.items() if count > 1]
    if shared:
        what = f"{counted(len(shared), 'picture', 'is')} in several splits: {listed(shared)}"
        findings.add("copy_across_splits", what, mend="keep each in one split", files=shared)
    for name in ("train", "val"):
        pairs = source.splits.get(name, ())
        if len(pairs) < FEW_PICTURES:
            says = "its scores say little" if pairs else "nothing is left to score by"
            what = f"split {name} has {counted(len(pairs), 'picture')}: {says}"
            findings.add("small_split", what, files=[pair.id for pair in pairs])


def _find_mixtures(facts: Sequence[Facts], findings: Findings) -> None:
    """Find sizes, channels and depths that mix."""
    for what, values in (
        ("channels", Counter(one.channels for one in facts)),
        ("bits", Counter(one.bits for one in facts)),
    ):
        if len(values) > 1:
            text = ", ".join(f"{value}: {counted(count, 'picture')}" for value, count in values.most_common())
            rare = values.most_common()[-1][0]
            files = [one.id for one in facts if getattr(one, what) == rare]
            findings.add("mixed_pictures", f"pictures differ in {what} ({text}), {files[0]} among the few", files=files)


def _find_classes(source: DataSource, facts: Sequence[Facts], split_of: Mapping[str, str], findings: Findings) -> None:
    """Find classes that are absent from a split, and pictures that teach nothing."""
    masked = [one for one in facts if one.pixels is not None]
    if not masked:
        return
    names = source.label_space.names
    for split in source.splits:
        counts = [one.pixels for one in masked if split_of[one.id] == split and one.pixels is not None]
        if not counts:
            continue
        absent = [name for name, pixels in zip(names, np.sum(counts, axis=0).tolist(), strict=True) if not pixels]
        if absent:
            findings.add("class_absent", f"split {split} has no pixel of {listed(absent)}")
    empty = [one.id for one in masked if one.pixels is not None and not one.pixels.any()]
    if empty:
        what = f"{counted(len(empty), 'mask', 'is', of=len(masked))} void everywhere, {empty[0]} among them"
        findings.add("all_ignored", what, mend="annotate them, or leave them out", files=empty)
    background = source.label_space.background
    if background is not None:
        bare = [
            one.id
            for one in masked
            if one.pixels is not None and one.pixels.any() and one.pixels.sum() == one.pixels[background]
        ]
        if bare:
            what = f"{counted(len(bare), 'picture', 'shows', of=len(masked))} nothing but {names[background]}"
            findings.add("all_background", f"{what}, {bare[0]} among them", files=bare)


def _summary(source: DataSource, facts: Sequence[Facts]) -> dict[str, Any]:
    counts = [one.pixels for one in facts if one.pixels is not None]
    total = np.sum(counts, axis=0) if counts else None
    shares = (
        {}
        if total is None
        else dict(zip(source.label_space.names, (total / max(1, total.sum())).tolist(), strict=True))
    )
    return {
        "layout": source.layout,
        "annotation": "objects" if source.has_objects else "masks",
        "classes": list(source.label_space.names),
        "splits": {name: len(pairs) for name, pairs in source.splits.items()},
        "class_shares": shares,
        "sizes": [list(size) for size, _ in Counter(one.size for one in facts).most_common(5)],
    }
