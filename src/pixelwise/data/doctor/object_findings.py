"""Findings about the annotated objects of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pixelwise.data.doctor.facts import Facts, ObjectFacts
from pixelwise.data.findings import Findings
from pixelwise.data.source import DataSource
from pixelwise.words import counted, listed

TINY_PIXELS = 16
"""Objects of fewer pixels than this are tiny."""


def find_objects(source: DataSource, facts: Sequence[Facts], split_of: Mapping[str, str], findings: Findings) -> None:
    """Find objects that are faulty, hard to learn, or absent."""
    known = {one.id: one.objects for one in facts if one.objects is not None}
    if not known:
        return
    _find_absent(source, known, split_of, findings)
    total = sum(len(one.labels) for one in known.values())
    empty = [id for id, one in known.items() if not one.labels]
    if empty:
        what = f"{counted(len(empty), 'picture', 'has', of=len(known))} no object, {empty[0]} among them"
        findings.add("no_objects", what, mend="if objects are to be seen on them, annotate them", files=empty)

    def report(kind: str, count_in: Callable[[ObjectFacts], int], verb: str, says: str, mend: str = "") -> None:
        counts = {id: count for id, one in known.items() if (count := count_in(one))}
        if counts:
            first = next(iter(counts))
            others = " among others" if len(counts) > 1 else ""
            what = f"{counted(sum(counts.values()), 'object', verb, of=total)} {says}, on {first}{others}"
            findings.add(kind, what, mend=mend, files=counts)

    report("touching_objects", lambda one: one.touching, "touches", "another of the same class")
    report("tiny_objects", _count_tiny, "has", f"fewer than {TINY_PIXELS} pixels")
    remove = "remove the copies"
    report("repeated_object", lambda one: one.repeated, "is", "annotated twice with the same pixels", remove)
    beyond = "if the pictures were cut or shrunk, annotate them as they are now"
    report("outside_picture", lambda one: one.faults.beyond, "has", "outlines that reach beyond the picture", beyond)
    crossing = "draw them again; a side that crosses another leaves open what is inside"
    report("crossing_outline", lambda one: one.faults.crossing, "has", "outlines that cross themselves", crossing)


def _count_tiny(one: ObjectFacts) -> int:
    return int(np.count_nonzero(np.array(one.areas) < TINY_PIXELS))


def _find_absent(
    source: DataSource, known: Mapping[str, ObjectFacts], split_of: Mapping[str, str], findings: Findings
) -> None:
    names = [name for index, name in enumerate(source.label_space.names) if index != source.label_space.background]
    for split in source.splits:
        here = [one for id, one in known.items() if split_of[id] == split]
        present = {label for one in here for label in one.labels}
        absent = [name for index, name in enumerate(names) if index not in present]
        if here and absent:
            findings.add("class_absent", f"split {split} has no object of {listed(absent)}")
