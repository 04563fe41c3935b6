"""Findings about a data set: what would be misread, what was guessed, and what is not used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pixelwise.errors import DataError

Gravity = Literal["error", "warning", "note"]
"""How much a finding matters. An error would be misread or cannot be used; a warning is used on a guess that a person
should confirm; a note is only for information."""

GRAVITIES: tuple[Gravity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class FindingKind:
    """One kind of finding.

    Args:
        gravity: how much it matters.
        title: what it is, in a few words.
        why: its effect on training, and the reason for its gravity.
    """

    gravity: Gravity
    title: str
    why: str


FINDING_KINDS: Mapping[str, FindingKind] = {
    "recognised": FindingKind(
        "note", "What was recognised", "How the data set was read, so that a wrong guess is seen."
    ),
    "guessed": FindingKind("warning", "A guess among several readings", "Another folder or name may hold the truth."),
    "pair_without_mask": FindingKind(
        "error", "Pictures without a mask", "They would be left out, or their masks were given another name."
    ),
    "no_training_pictures": FindingKind(
        "error",
        "No pictures to learn from",
        "Nothing can be learnt; other splits can be scored.",
    ),
    "split_without_masks": FindingKind(
        "note", "A split without masks", "It can be labelled, but nothing is learnt from it."
    ),
    "not_understood": FindingKind(
        "error", "Data that cannot be read", "No layout fits, or the masks mean nothing known."
    ),
    "unreadable": FindingKind(
        "error", "Files that cannot be read", "They are damaged, or hold what no class stands for."
    ),
    "copy_across_splits": FindingKind(
        "error", "A picture in several splits", "What is learnt by heart is scored, so that figures are too good."
    ),
    "near_copy_across_splits": FindingKind(
        "warning", "Nearly the same picture in several splits", "Figures may be too good, as for a copy."
    ),
    "split_repeats_train": FindingKind(
        "warning", "A split of training pictures alone", "Its scores say what was learnt by heart, and nothing else."
    ),
    "near_copy": FindingKind(
        "note", "Nearly the same picture in one split", "Frames of a film and the like count several times."
    ),
    "copy": FindingKind("warning", "A picture that is there several times", "It counts several times."),
    "mixed_encodings": FindingKind(
        "warning", "Masks of 0 and 1 among masks of 0 and 255", "255 may be an object, or void."
    ),
    "mixed_pictures": FindingKind(
        "warning", "Pictures of different kinds", "Channels or depth differ from file to file."
    ),
    "mixed_channels": FindingKind(
        "error", "Pictures of different numbers of channels", "A network takes one number; only grey becomes colour."
    ),
    "alike_classes": FindingKind(
        "warning", "Classes of nearly the same name", "One class that is written in two ways is learnt as two."
    ),
    "class_absent": FindingKind("warning", "A class that a split does not have", "It is not learnt, or has no score."),
    "all_ignored": FindingKind("warning", "Masks that are void everywhere", "They teach nothing."),
    "all_background": FindingKind(
        "note", "Pictures of background alone", "They teach what is nothing; too many slow learning."
    ),
    "class_rare": FindingKind(
        "note", "A class of few pixels", "It is learnt last; half of the crops seek rare classes."
    ),
    "turned_picture": FindingKind(
        "warning",
        "A picture with an EXIF rotation that its mask lacks",
        "The mask may fit the picture as it was stored.",
    ),
    "touching_objects": FindingKind("note", "Objects that touch", "Networks of pixels learn a line between them."),
    "repeated_object": FindingKind(
        "warning", "An object that is annotated twice", "It counts twice, and one is never found."
    ),
    "repeated_line": FindingKind(
        "note",
        "Lines of labels that are there twice",
        "The second would be an object that is never found.",
    ),
    "tiny_objects": FindingKind(
        "note", "Objects of few pixels", "They are easily missed, and lost where pictures shrink."
    ),
    "no_objects": FindingKind("note", "Pictures without objects", "They teach what is nothing, or were forgotten."),
    "outside_picture": FindingKind(
        "warning", "Outlines beyond the picture", "They are cut; the picture may have been, too."
    ),
    "crossing_outline": FindingKind(
        "warning", "Outlines that cross themselves", "What lies inside of them is a guess."
    ),
    "not_looked_at": FindingKind(
        "note", "Pictures that were not looked at", "There was no time; reading checks them later."
    ),
    "small_split": FindingKind("note", "A split of few pictures", "Its scores change much with a single picture."),
    "picture_not_used": FindingKind(
        "note", "Pictures that are not used", "They may lack an annotation, or have another name than it."
    ),
    "mask_not_used": FindingKind(
        "note", "Masks that are not used", "Their pictures may be missing, or have another name."
    ),
    "annotation_without_picture": FindingKind(
        "error", "Annotations of pictures that their file does not list", "Their pictures would count as empty."
    ),
    "folder_not_used": FindingKind("note", "Folders that are not used", "They may hold the truth, or another set."),
    "format_not_read": FindingKind(
        "note", "Files that cannot be read", "They are pictures or masks in a format not read here."
    ),
    "mask_smoothed": FindingKind(
        "error",
        "Masks with smoothed edges",
        "Values between two classes mean neither of them, or a third one.",
    ),
    "mask_lossy": FindingKind(
        "error", "Masks compressed with loss", "JPEG changes numbers, so that a class becomes its neighbour by number."
    ),
    "palette_clash": FindingKind(
        "error", "Palettes that contradict each other", "One index means different classes in different masks."
    ),
    "mixed_mask_forms": FindingKind(
        "error", "Masks of numbers among masks of colours", "Nothing says which number is which colour."
    ),
    "mask_alpha": FindingKind(
        "warning", "Masks whose object may lie in the transparency", "Transparency of masks is not read."
    ),
    "transparent_class": FindingKind(
        "warning", "A class that lies where pictures are transparent", "Transparent pixels are not learnt, nor scored."
    ),
    "size_differs": FindingKind(
        "error", "Mask and picture differ in size", "Pixels and classes would not lie on each other."
    ),
}
"""All kinds of findings, by the name that ``doctor --json`` gives them; ``docs/findings.md`` describes each."""


@dataclass(frozen=True)
class Finding:
    """One finding about a data set.

    Args:
        kind: a key of :data:`FINDING_KINDS`.
        what: what was found, in a sentence that names one file or value.
        mend: what to do about it.
        files: the files it is about, relative to the data set, the first one being named in ``what``.
        pairs: ids of the pairs that cannot be used; ``--skip-bad`` leaves them out.
        apart: whether it is about something that belongs to no pair, which ``--skip-bad`` leaves out as well.
    """

    kind: str
    what: str
    mend: str = ""
    files: tuple[str, ...] = ()
    pairs: frozenset[str] = frozenset()
    apart: bool = False

    def __post_init__(self) -> None:
        assert self.kind in FINDING_KINDS, self.kind

    @property
    def gravity(self) -> Gravity:
        """How much it matters."""
        return FINDING_KINDS[self.kind].gravity

    @property
    def count(self) -> int:
        """How many files it is about."""
        return len(self.files)

    @property
    def line(self) -> str:
        """The finding and its mend, in one line."""
        return f"{self.what}; {self.mend}" if self.mend else self.what


class RefusedError(DataError):
    """A data set cannot be used because of what was found in it.

    Args:
        errors: the findings that forbid it, one or more; the message has a line for each.
        findings: all findings so far.
    """

    def __init__(self, errors: Sequence[Finding], findings: tuple[Finding, ...]) -> None:
        lines = [finding.line for finding in errors]
        super().__init__(lines[0] if len(lines) == 1 else f"{len(lines)} faults:\n  " + "\n  ".join(lines))
        self.findings = findings


@dataclass
class Findings:
    """A list of findings, in the order in which they were made.

    Args:
        made: those so far.
    """

    made: list[Finding] = field(default_factory=list)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.made)

    def add(
        self,
        kind: str,
        what: str,
        *,
        mend: str = "",
        files: Iterable[str] = (),
        pairs: Iterable[str] = (),
    ) -> None:
        """Add a finding; see :class:`Finding`."""
        self.made.append(Finding(kind, what, mend, tuple(files), frozenset(pairs)))

    def note(self, texts: Iterable[str]) -> None:
        """Add a note on what was recognised for each text."""
        for text in texts:
            self.add("recognised", text)

    def of(self, gravity: Gravity) -> tuple[Finding, ...]:
        """The findings of one gravity."""
        return tuple(finding for finding in self.made if finding.gravity == gravity)

    def unusable(self) -> frozenset[str]:
        """Ids of the pairs that an error concerns."""
        return frozenset().union(*(finding.pairs for finding in self.of("error")))

    def refuse(self, *, skip_bad: bool = False) -> None:
        """Raise if there is an error; with ``skip_bad``, only for errors that remain when pairs are left out.

        Raises:
            RefusedError: all errors, one line each.
        """
        errors = [finding for finding in self.of("error") if not (skip_bad and (finding.pairs or finding.apart))]
        if errors:
            raise RefusedError(errors, tuple(self.made))
