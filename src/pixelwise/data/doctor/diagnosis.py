"""Checking all files of a data set before training."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pixelwise.data.doctor.copies import find_copies, same_files
from pixelwise.data.doctor.facts import Facts, gather
from pixelwise.data.doctor.facts_cache import from_bytes, key_of, to_bytes
from pixelwise.data.doctor.object_findings import find_objects
from pixelwise.data.doctor.picture_findings import (
    find_alike_classes,
    find_broken,
    find_classes,
    find_mixtures,
    find_transparent,
)
from pixelwise.data.findings import GRAVITIES, Finding, Findings, RefusedError
from pixelwise.data.locate import Located
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError, NoLayoutError
from pixelwise.io.ahead import in_threads
from pixelwise.io.file_cache import FileCache
from pixelwise.listener import Listener, Silent
from pixelwise.types import LabelSpace
from pixelwise.words import counted, listed

FEW_PICTURES = 10
"""The fewest pictures of a split for which its scores are meaningful."""
FEW_SAY = {"train": "little is learnt from so few", "val": "its scores say little"}
"""Split -> the words for a small one."""
_KEPT_AT_ONCE = 64
"""The number of facts that are written to the cache together; if the check is stopped, no more are lost."""


@dataclass(frozen=True)
class Diagnosis:
    """The result of checking a data set.

    Args:
        findings: all findings, the gravest first.
        source: the data without the pictures that cannot be used; None if nothing is left.
        summary: the data in plain JSON types.
        copies: groups of ids of pictures that are the same, byte for byte.
        layout_fits: whether the data are there and have a layout, even if nothing of it can be used.
    """

    findings: tuple[Finding, ...]
    source: DataSource | None
    summary: Mapping[str, Any] = field(default_factory=dict)
    copies: tuple[tuple[str, ...], ...] = ()
    layout_fits: bool = True

    @property
    def opened(self) -> bool:
        """Whether something of the data can be used."""
        return self.source is not None

    @property
    def usable(self) -> bool:
        """Whether training would accept the data without changes."""
        return self.opened and not any(finding.gravity == "error" for finding in self.findings)

    def usable_source(self, *, skip_bad: bool = False, training: bool = True) -> DataSource:
        """Give the data, with all findings.

        Args:
            skip_bad: whether to leave out the pictures that cannot be used.
            training: whether something is to be learnt from them, or they are only scored.

        Raises:
            DataError: there are errors, one per line; with ``skip_bad``, only those that leaving pictures out does not
                mend.
        """
        findings = Findings([one for one in self.findings if training or one.kind != "no_training_pictures"])
        findings.refuse(skip_bad=skip_bad)
        assert self.source is not None
        return self.source.without(findings.unusable(), tuple(self.findings))

    def to_dict(self) -> dict[str, Any]:
        """Convert the diagnosis to plain JSON types."""
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


def diagnose(
    path: str | os.PathLike[str] | Located,
    *,
    label_space: LabelSpace | None = None,
    seed: int = 0,
    seconds: float | None = None,
    cache: FileCache | None = None,
    listener: Listener | None = None,
) -> Diagnosis:
    """Check a data set: how it is read, every picture and mask, copies, classes, and unused files.

    The facts of pictures are stored in the user's cache folder, so that a second check of the same files is quick.

    Args:
        path: the folder, its ``dataset.yaml``, or what was located there.
        label_space: how masks are to be read, as a model has it; by default, found from the data.
        seed: chooses the pictures for validation, if the data do not state them.
        seconds: after this time, no further picture is checked; None for no limit.
        cache: where facts are stored; by default, in the user's cache folder.
        listener: it is told the progress of the check.
    """
    listener = Silent() if listener is None else listener
    findings = Findings()
    try:
        source = open_data(path, label_space=label_space, seed=seed, skip_bad=True)
    except RefusedError as error:
        return Diagnosis(_gravest_first(error.findings), None)
    except DataError as error:
        findings.add("not_understood", str(error))
        return Diagnosis(tuple(findings), None, layout_fits=not isinstance(error, NoLayoutError))
    findings.made.extend(source.findings)
    _find_shared(source, findings)
    facts = _look(source, findings, seconds, FileCache() if cache is None else cache, listener)
    find_broken(facts, findings)
    good = [one for one in facts if not one.error]
    split_of = {pair.id: name for name, split in source.splits.items() for pair in split}
    find_copies(good, split_of, findings)
    find_mixtures(good, findings)
    find_alike_classes(source, good, findings)
    find_transparent(source, good, findings)
    find_classes(source, good, split_of, findings)
    find_objects(source, good, split_of, findings)
    return Diagnosis(_gravest_first(findings), source, _summary(source, good), tuple(map(tuple, same_files(good))))


def _gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: GRAVITIES.index(one.gravity)))


def _look(
    source: DataSource, findings: Findings, seconds: float | None, cache: FileCache, listener: Listener
) -> list[Facts]:
    """Gather the facts of all pictures, from the cache if their files have not changed."""
    space = None if source.has_objects else source.label_space
    pairs = {pair.id: pair for pair in source.pairs}
    facts: dict[str, Facts] = {}
    until = None if seconds is None else time.monotonic() + seconds
    with cache, listener.progress("looking at pictures", len(pairs)) as progress:
        keys = {id: key_of(pair, space) for id, pair in pairs.items()}
        kept = cache.find(key for key in keys.values() if key is not None)
        facts = {id: from_bytes(kept[key]) for id, key in keys.items() if key in kept}
        progress(len(facts), len(pairs))
        fresh: dict[str, bytes] = {}
        for some in _parts([pair for id, pair in pairs.items() if id not in facts], _KEPT_AT_ONCE):
            for one in in_threads(partial(gather, label_space=space), some):
                facts[one.id] = one
                key = keys[one.id]
                if key is not None:
                    fresh[key] = to_bytes(one)
                progress(len(facts), len(pairs))
            cache.keep(fresh)
            fresh.clear()
            if until is not None and time.monotonic() > until:
                break
    unseen = [id for id in pairs if id not in facts]
    if unseen:
        what = f"{counted(len(unseen), 'picture', 'was', of=len(pairs))} not looked at for lack of time"
        findings.add("not_looked_at", what, mend="`pixelwise doctor` looks at all", files=unseen)
    return [facts[id] for id in pairs if id in facts]


def _parts(pairs: Sequence[Pair], length: int) -> list[Sequence[Pair]]:
    return [pairs[start : start + length] for start in range(0, len(pairs), length)]


def _find_shared(source: DataSource, findings: Findings) -> None:
    """Find pictures that are in two splits, and splits that are too small for meaningful scores."""
    places = Counter(pair.id for pairs in source.splits.values() for pair in {pair.id: pair for pair in pairs}.values())
    shared = [id for id, count in places.items() if count > 1]
    if shared:
        what = f"{counted(len(shared), 'picture', 'is')} in several splits: {listed(shared)}"
        findings.add("copy_across_splits", what, mend="keep each in one split", files=shared)
    if not source.splits.get("train"):
        there = ", ".join(f"{name} ({counted(len(pairs), 'picture')})" for name, pairs in source.splits.items())
        what = f"{source.root}: no split has pictures to learn from; there is {there}"
        mend = "add the training pictures, name the splits anew in a dataset.yaml, or use the data for scoring alone"
        findings.add("no_training_pictures", what, mend=mend)
    for name in ("train", "val"):
        pairs = source.splits.get(name, ())
        if not pairs and name == "val":
            findings.add("small_split", "split val has 0 pictures: nothing is left to score by")
        elif pairs and len(pairs) < FEW_PICTURES:
            what = f"split {name} has {counted(len(pairs), 'picture')}: {FEW_SAY[name]}"
            findings.add("small_split", what, files=[pair.id for pair in pairs])


def _summary(source: DataSource, facts: Sequence[Facts]) -> dict[str, Any]:
    counts = [one.pixels for one in facts if one.pixels is not None]
    total = np.sum(counts, axis=0) if counts else None
    shares = (
        {}
        if total is None
        else dict(zip(source.label_space.names, (total / max(1, total.sum())).tolist(), strict=True))
    )
    areas = [area for one in facts if one.objects is not None for area in one.objects.areas]
    objects = {} if not source.has_objects else {"objects": len(areas), "areas": _quartiles(areas)}
    return {
        "layout": source.layout,
        "annotation": "objects" if source.has_objects else "masks",
        "classes": list(source.label_space.names),
        "splits": {name: len(pairs) for name, pairs in source.splits.items()},
        "class_shares": shares,
        "sizes": [list(size) for size, _ in Counter(one.size for one in facts).most_common(5)],
        **objects,
    }


def _quartiles(areas: Sequence[int]) -> list[float]:
    """Give the least area of objects in pixels, the quartiles of the areas, and the greatest area."""
    return [] if not areas else np.percentile(areas, [0, 25, 50, 75, 100]).tolist()
