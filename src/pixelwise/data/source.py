"""Opening a data set: which layout it has, which splits, and what its masks mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pixelwise.data.checks import check_files, find_unreadable, with_masks
from pixelwise.data.findings import Finding, Findings, RefusedError
from pixelwise.data.locate import Located, locate
from pixelwise.data.masks.faults import find_mask_faults
from pixelwise.data.masks.labels import Reading, recognise
from pixelwise.data.masks.merging import apply_description, explicit_space, match_masks
from pixelwise.data.masks.survey import Survey, count_masks, merge
from pixelwise.data.object_classes import LEFT_OUT_CLASS, match_classes, object_classes, relabel
from pixelwise.data.pairs import Found, Pair
from pixelwise.data.splits import carve, same_pictures
from pixelwise.data.targets import semantic_space
from pixelwise.data.unused import find_unused, tell_used
from pixelwise.errors import DataError, SettingError, unknown_name
from pixelwise.io.images import image_info
from pixelwise.io.listing import naming_unreadable
from pixelwise.io.masks import NOT_ANNOTATED
from pixelwise.types import LabelSpace, StoredValue
from pixelwise.words import agreeing, counted

__all__ = ["DataSource", "Pair", "open_data"]

_SURVEY_PIXELS = 2**28  # about a second of reading on two cores


@dataclass(frozen=True)
class DataSource:
    """A data set on disk with its layout, classes and splits.

    Args:
        root: the folder it lies in.
        layout: name of the layout that was recognised.
        label_space: its classes and how its masks encode them; of annotated objects, their classes without background.
        splits: split name -> pairs.
        findings: what was noticed, what was recognised or decided among it.
    """

    root: Path
    layout: str
    label_space: LabelSpace
    splits: Mapping[str, tuple[Pair, ...]]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def notes(self) -> tuple[str, ...]:
        """The findings that are no errors, one line each, for the user."""
        return tuple(finding.line for finding in self.findings if finding.gravity != "error")

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the pictures that were left out because they cannot be used."""
        return tuple(sorted(frozenset().union(*(finding.pairs for finding in self.findings))))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, split after split."""
        return tuple(pair for pairs in self.splits.values() for pair in pairs)

    @property
    def has_objects(self) -> bool:
        """Whether objects are annotated, rather than the class of every pixel."""
        return any(pair.objects is not None for pair in self.pairs)

    def semantic(self) -> DataSource:
        """Give the same data for networks that learn the class of every pixel: objects on a background."""
        if not self.has_objects or self.label_space.background is not None:
            return self
        return replace(self, label_space=semantic_space(self.label_space))

    def without(self, ids: frozenset[str], findings: tuple[Finding, ...]) -> DataSource:
        """Give the same data without some pictures, and with other findings."""
        return replace(self, splits=_without(self.splits, ids), findings=findings)

    def split(self, name: str) -> tuple[Pair, ...]:
        """Give the pairs of one split.

        Raises:
            DataError: there is no split of that name; the message lists those that exist.
        """
        if name not in self.splits:
            raise DataError(f"{self.root}: {unknown_name('split', name, self.splits)}")
        return self.splits[name]


def open_data(
    path: str | os.PathLike[str] | Located,
    *,
    label_space: LabelSpace | None = None,
    val_fraction: float = 0.2,
    seed: int = 0,
    skip_bad: bool = False,
) -> DataSource:
    """Recognise the layout of a data set, its splits, and the encoding of its masks or the classes of its objects.

    Splits on disk are taken as they are. Without any, ``train`` and ``val`` are made from the ids of the pictures and
    the seed; where there is a ``train`` but no ``val``, ``val`` is carved from it in the same way.

    Args:
        path: the folder, or a ``dataset.yaml`` that describes it; one in the folder is read of itself. What
            :func:`pixelwise.data.locate.locate` found there is not looked for again.
        label_space: classes and mapping to use, normally those of a model; they win over everything found on disk.
            Classes of objects are found in it by their names.
        val_fraction: expected share of pictures in a ``val`` made here, above 0 and below 1.
        seed: another seed makes another ``val``.
        skip_bad: whether pictures that cannot be used are left out, instead of refusing all; they stand in
            :attr:`DataSource.left_out`.

    Raises:
        DataError: the folder is missing or fits no layout, pictures have no mask or one of another size, or the masks
            cannot be understood, or objects are of a class that ``label_space`` does not have.
        SettingError: ``val_fraction`` is out of range.
    """
    if not 0 < val_fraction < 1:
        raise SettingError(f"val_fraction is {val_fraction}; expected a share above 0 and below 1")
    located = path if isinstance(path, Located) else locate(Path(path))
    findings = Findings()
    try:
        with naming_unreadable():
            return _open(located, findings, label_space, val_fraction, seed, skip_bad=skip_bad)
    except RefusedError:
        raise
    except DataError as error:
        findings.add("not_understood", str(error))
        hints = [finding for finding in findings if finding.kind == "mask_alpha"]  # they may say why
        raise RefusedError([findings.made[-1], *hints], tuple(findings)) from error


def _open(
    located: Located,
    findings: Findings,
    label_space: LabelSpace | None,
    val_fraction: float,
    seed: int,
    *,
    skip_bad: bool,
) -> DataSource:
    """As :func:`open_data`; what is noticed until an error is raised is in ``findings``."""
    root, found = located.root, located.found
    findings.made.extend(found.findings)
    find_unused(root, _every(found.splits), findings)
    splits = with_masks(found.splits, root, findings)
    check_files(_every(splits), findings)
    looked = _look_into_masks(_every(splits), located, label_space, findings)
    if looked is not None and label_space is not None and _reads_as_the_model(located, label_space):
        _compare_void(looked.survey, label_space, findings)
        looked = None  # the model's own classes and values are those of the masks
    findings.refuse(skip_bad=skip_bad)
    splits = _without(splits, findings.unusable())
    every = _every(splits)
    if not every:
        findings.refuse()
    objects = any(pair.objects is not None for pair in every)
    annotation = "objects" if objects else "masks"
    findings.note([f"layout {found.layout}: {counted(len(every), 'picture')} with {annotation}", *found.notes])
    tell_used(root, every, findings)
    for guess in found.guesses:
        findings.add("guessed", guess)
    splits, made = _with_val(splits, val_fraction, seed)
    findings.note(made)
    if objects:
        splits, label_space = _with_classes(splits, located, label_space)
    elif label_space is None:
        assert looked is not None
        label_space = _understand_masks(looked, located, findings)
    elif looked is not None:
        own = _understand_masks(looked, located, findings)
        label_space = match_masks(own, label_space, located.named_by)
        findings.note([f"classes are matched by name with those of the model: {', '.join(own.names)}"])
    return DataSource(root, found.layout, label_space, splits, tuple(findings))


def _reads_as_the_model(located: Located, model: LabelSpace) -> bool:
    """Whether masks are to be read with the values of a model, because its names are theirs or they have none.

    A model without values, such as an imported one, never read masks: where these have names, they tell their values.
    """
    description = located.description
    if description is not None and (description.classes is not None or description.merge or description.ignore):
        names, same = description.names, description.names == model.names and not description.merge
    else:
        names, same = located.found.names, located.found.names in (None, model.names)
    return same and (bool(model.mapping) or names is None)


@dataclass(frozen=True)
class _Looked:
    """What masks hold: those without faults among the ``looked_into`` of ``masks``."""

    survey: Survey
    looked_into: int
    masks: int


def _look_into_masks(
    every: tuple[Pair, ...], located: Located, label_space: LabelSpace | None, findings: Findings
) -> _Looked | None:
    """Look into masks and find those that would be misread; None where objects are annotated, or masks are absent."""
    unusable = findings.unusable()
    usable = tuple(pair for pair in every if pair.id not in unusable)
    if not any(pair.mask is not None for pair in usable) or any(pair.objects is not None for pair in usable):
        return None
    masks, sampled = _for_survey(usable)
    counts, broken = count_masks(masks)
    ids = {pair.mask: pair.id for pair in usable if pair.mask is not None}
    find_unreadable({ids[path]: str(error) for path, error in broken.items()}, len(masks), findings)
    description = located.description
    named = description is not None and isinstance(description.classes, dict)
    mapped = (
        bool(label_space is not None and label_space.mapping)
        or named
        or (located.found.stored is not None and (description is None or description.classes is None))
    )
    good = find_mask_faults(counts, ids, located.root, findings, mapped=mapped)
    return _Looked(merge(good), len(masks), len(usable) if sampled else len(masks))


def _compare_void(survey: Survey, label_space: LabelSpace, findings: Findings) -> None:
    """Tell of masks of 0 and 255 alone, where a model takes 255 for void: all but one class would not be scored."""
    mapping = label_space.mapping
    void = (
        mapping.get(255, label_space.ignore_index) == label_space.ignore_index if mapping else len(label_space) <= 255
    )
    if void and set(survey.pixels) == {0, 255}:
        what = f"{survey.first[255]}: the masks hold 0 and 255 alone, and 255 is void for the model"
        mend = (
            f"if 255 is an object, say of which class in a dataset.yaml; the model has {', '.join(label_space.names)}"
        )
        findings.add("guessed", what, mend=mend)


def _understand_masks(looked: _Looked, located: Located, findings: Findings) -> LabelSpace:
    """Decide what the masks mean."""
    survey = looked.survey
    if located.description is not None and 255 in located.description.ignore:
        survey = replace(survey, of_255=None)  # its owner says that 255 is void, whatever other masks hold
    reading = _understand(survey, located)
    label_space = reading.label_space
    findings.note(reading.notes)
    for guess in reading.guesses:
        findings.add("guessed", guess)
    if survey.white_is_zero is not None:
        what = f"{survey.white_is_zero}: 0 is white in this mask (WhiteIsZero); its numbers are indices, read as stored"
        findings.note([what])
    if survey.mixes_two_ranges and label_space.mapping.get(255) == 1:
        what = f"{survey.of_ones} holds 0 and 1, {survey.of_255} holds 0 and 255: 1 and 255 are read as one class"
        mend = "if 255 is void, write `ignore: 255` into a dataset.yaml"
        files = [path.relative_to(located.root).as_posix() for path in (survey.of_ones, survey.of_255) if path]
        findings.add("mixed_encodings", what, mend=mend, files=files)
    findings.note([_void_share(survey, label_space)])
    if looked.looked_into < looked.masks:
        some = counted(looked.looked_into, "mask", of=looked.masks)
        findings.note(
            [f"what the values mean, and the share of void, is told by {some}; each is checked when it is read"]
        )
    if len(label_space) < 2:
        raise DataError(
            f"{located.root}: the masks are read as the one class {label_space.names[0]}, which teaches a network "
            f"nothing; name at least two ({located.named_by}), or map the other values in a dataset.yaml"
        )
    return label_space


def _void_share(survey: Survey, label_space: LabelSpace) -> str:
    """Say which share of the pixels in the masks that were read has no class."""
    ignore, mapping = label_space.ignore_index, label_space.mapping
    void = sum(
        pixels
        for value, pixels in survey.pixels.items()
        if (mapping.get(value, ignore) if mapping else value) == ignore
    )
    if not void:
        return "no pixel of the masks is void"
    share = 100 * void / sum(survey.pixels.values())
    return f"{'less than 0.1' if share < 0.1 else f'{share:.1f}'}% of the mask pixels are void"


def _every(splits: Mapping[str, tuple[Pair, ...]]) -> tuple[Pair, ...]:
    """All pairs, each once."""
    return tuple({pair.id: pair for pairs in splits.values() for pair in pairs}.values())


def _without(splits: Mapping[str, tuple[Pair, ...]], ids: frozenset[str]) -> dict[str, tuple[Pair, ...]]:
    """Leave pairs out, and splits without any remaining pairs."""
    kept = {name: tuple(pair for pair in pairs if pair.id not in ids) for name, pairs in splits.items()}
    return {name: pairs for name, pairs in kept.items() if pairs}


def _with_classes(
    splits: Mapping[str, tuple[Pair, ...]], located: Located, label_space: LabelSpace | None
) -> tuple[dict[str, tuple[Pair, ...]], LabelSpace]:
    """Give objects the classes that the description or the given label space wants."""
    assert located.found.names is not None, "layouts of objects know their classes"
    space, table = object_classes(located.found.names, located.description, located.described_in)
    if label_space is None:
        return relabel(splits, table), space
    matched = match_classes(space, label_space, located.root)
    return relabel(
        splits, tuple(LEFT_OUT_CLASS if new == LEFT_OUT_CLASS else matched[new] for new in table)
    ), label_space


def _understand(survey: Survey, located: Located) -> Reading:
    """Decide what the masks mean, by the description first, then by a class list, then by the masks alone."""
    found, description, described_in = located.found, located.description, located.described_in
    origin = located.named_by
    if found.colors is not None and survey.by_color and (description is None or description.classes is None):
        return _by_colors(survey, found, located)
    if found.stored is not None and (description is None or description.classes is None):
        ignore = 255
        base = explicit_space(found.stored)
        mapping: dict[StoredValue, int] = {**base.mapping, **dict.fromkeys(found.void, ignore), ignore: ignore}
        base = replace(base, ignore_index=ignore, mapping=mapping)
        if description is None or described_in is None:
            return Reading(base)
        return Reading(apply_description(base, description, described_in))
    if description is None or described_in is None:
        return recognise(survey, found.names, void=found.void, origin=origin)
    if isinstance(description.classes, dict):
        base = explicit_space(description.classes)
        if survey.gaps is not None and NOT_ANNOTATED not in base.mapping:
            base = replace(base, mapping={**base.mapping, NOT_ANNOTATED: base.ignore_index})
        reading = Reading(base)
    else:
        given = {item for item in description.ignore if isinstance(item, int)}
        reading = recognise(survey, description.names or found.names, void=found.void | given, origin=origin)
    space = apply_description(reading.label_space, description, described_in)
    unknown = [value for value in survey.pixels if value not in space.mapping]
    if unknown:
        raise DataError(
            f"{survey.first[unknown[0]]}: the mask holds {unknown[0]}, which {described_in} gives no class; add it to "
            "`classes` or to `ignore`"
        )
    return replace(reading, label_space=space)


def _by_colors(survey: Survey, found: Found, located: Located) -> Reading:
    """Read masks by the colours that a file of the layout gives the classes."""
    assert found.colors is not None
    space = explicit_space(found.colors)
    unknown = [color for color in survey.pixels if color not in space.mapping]
    if unknown:
        color = "#{:02x}{:02x}{:02x}".format(*unknown[0]) if isinstance(unknown[0], tuple) else str(unknown[0])
        raise DataError(
            f"{survey.first[unknown[0]]}: the mask holds the colour {color}, which {located.named_by} gives no class; "
            "add it there, or describe all colours in a dataset.yaml"
        )
    note = f"{located.named_by} gives {counted(len(space), 'class')} their colours"
    if located.description is None or located.described_in is None:
        return Reading(space, (note,))
    return Reading(apply_description(space, located.description, located.described_in), (note,))


def _with_val(
    splits: Mapping[str, tuple[Pair, ...]], fraction: float, seed: int
) -> tuple[dict[str, tuple[Pair, ...]], tuple[str, ...]]:
    whole = "all" if "all" in splits else "train"
    if "val" in splits or whole not in splits:
        return dict(splits), ()
    train, val = carve(splits[whole], fraction, seed, together=same_pictures(splits[whole]))
    rest = {name: pairs for name, pairs in splits.items() if name != whole}
    why = "there is no split on disk" if whole == "all" else "there is no val on disk"
    shares = f"{counted(len(train), 'picture', 'trains')} and {len(val)} {agreeing(len(val), 'validates')}"
    note = f"{why}: {shares}, chosen by their names and seed {seed}"
    return {"train": train, "val": val, **rest}, (note,)


def _for_survey(pairs: tuple[Pair, ...]) -> tuple[list[Path], bool]:
    """Choose the masks to read: all where that is quick, else evenly spread ones up to a number of pixels."""
    masks = [pair.mask for pair in pairs if pair.mask is not None]
    height, width = image_info(masks[len(masks) // 2]).size
    affordable = max(20, _SURVEY_PIXELS // (height * width))
    if affordable >= len(masks):
        return masks, False
    step = len(masks) / affordable
    return [masks[int(place * step)] for place in range(affordable)], True
