"""Opening a data set: which layout it has, which splits, and what its masks mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixelwise.data.checks import check_sizes, with_masks
from pixelwise.data.labels import recognise
from pixelwise.data.locate import Located, locate
from pixelwise.data.merging import apply_description, explicit_space
from pixelwise.data.pairs import Pair
from pixelwise.data.splits import carve
from pixelwise.data.survey import Survey, survey_masks
from pixelwise.errors import DataError, SettingError, unknown_name
from pixelwise.io.images import image_info
from pixelwise.types import LabelSpace

__all__ = ["DataSource", "Pair", "open_data"]

_SURVEY_PIXELS = 2**28  # about a second of reading on two cores


@dataclass(frozen=True)
class DataSource:
    """A data set on disk, understood.

    Args:
        root: the folder it lies in.
        layout: name of the layout that was recognised.
        label_space: its classes and how its masks encode them.
        splits: split name -> pairs.
        notes: what was recognised or decided, in words for the user.
    """

    root: Path
    layout: str
    label_space: LabelSpace
    splits: Mapping[str, tuple[Pair, ...]]
    notes: tuple[str, ...] = field(default=())

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, split after split."""
        return tuple(pair for pairs in self.splits.values() for pair in pairs)

    def split(self, name: str) -> tuple[Pair, ...]:
        """Give the pairs of one split.

        Raises:
            DataError: there is no split of that name; the message lists those that exist.
        """
        if name not in self.splits:
            raise DataError(f"{self.root}: {unknown_name('split', name, self.splits)}")
        return self.splits[name]


def open_data(
    path: str | os.PathLike[str],
    *,
    label_space: LabelSpace | None = None,
    val_fraction: float = 0.2,
    seed: int = 0,
) -> DataSource:
    """Recognise the layout of a data set, its splits and the encoding of its masks.

    Splits on disk are taken as they are. Without any, ``train`` and ``val`` are made from the ids of the pictures and
    the seed; where there is a ``train`` but no ``val``, ``val`` is carved from it in the same way.

    Args:
        path: the folder, or a ``dataset.yaml`` that describes it; one in the folder is read of itself.
        label_space: classes and mapping to use, normally those of a model; they win over everything found on disk.
        val_fraction: expected share of pictures in a ``val`` made here, above 0 and below 1.
        seed: another seed makes another ``val``.

    Raises:
        DataError: the folder is missing or fits no layout, pictures have no mask or one of another size, or the masks
            cannot be understood.
        SettingError: ``val_fraction`` is out of range.
    """
    if not 0 < val_fraction < 1:
        raise SettingError(f"val_fraction is {val_fraction}; expected a share above 0 and below 1")
    located = locate(Path(path))
    root, found = located.root, located.found
    splits, dropped = with_masks(found.splits, root)
    every = tuple({pair.id: pair for pairs in splits.values() for pair in pairs}.values())
    check_sizes(every)
    notes = [f"layout {found.layout}: {len(every)} pictures with masks", *found.notes, *dropped]
    splits, made = _with_val(splits, val_fraction, seed)
    notes += made
    if label_space is None:
        masks, sampled = _for_survey(every)
        label_space, understood = _understand(survey_masks(masks), located)
        notes += understood
        if sampled:
            notes.append(f"{len(masks)} of the masks were looked into; training checks each as it reads it")
    return DataSource(root, found.layout, label_space, splits, tuple(notes))


def _understand(survey: Survey, located: Located) -> tuple[LabelSpace, tuple[str, ...]]:
    """Decide what the masks mean: what the description says comes first, then a class list, then the masks alone."""
    found, description, described_in = located.found, located.description, located.described_in
    origin = str(located.names_in)
    if description is None or described_in is None:
        return recognise(survey, found.names, void=found.void, origin=origin)
    notes: tuple[str, ...] = ()
    if isinstance(description.classes, dict):
        base = explicit_space(description.classes)
    else:
        given = {item for item in description.ignore if isinstance(item, int)}
        base, notes = recognise(survey, description.names or found.names, void=found.void | given, origin=origin)
    space = apply_description(base, description, described_in)
    unknown = [value for value in survey.pixels if value not in space.mapping]
    if unknown:
        raise DataError(
            f"{survey.first[unknown[0]]}: the mask holds {unknown[0]}, which {described_in} gives no class; add it to "
            "`classes` or to `ignore`"
        )
    return space, notes


def _with_val(
    splits: Mapping[str, tuple[Pair, ...]], fraction: float, seed: int
) -> tuple[dict[str, tuple[Pair, ...]], tuple[str, ...]]:
    whole = "all" if "all" in splits else "train"
    if "val" in splits or whole not in splits:
        return dict(splits), ()
    train, val = carve(splits[whole], fraction, seed)
    rest = {name: pairs for name, pairs in splits.items() if name != whole}
    why = "there is no split on disk" if whole == "all" else "there is no val on disk"
    note = f"{why}: {len(train)} pictures train and {len(val)} validate, chosen by their names and seed {seed}"
    return {"train": train, "val": val, **rest}, (note,)


def _for_survey(pairs: tuple[Pair, ...]) -> tuple[list[Path], bool]:
    """Choose the masks to look into: all where that is quick, else evenly spread ones up to a number of pixels."""
    masks = [pair.mask for pair in pairs if pair.mask is not None]
    height, width = image_info(masks[len(masks) // 2]).size
    affordable = max(20, _SURVEY_PIXELS // (height * width))
    if affordable >= len(masks):
        return masks, False
    step = len(masks) / affordable
    return [masks[int(place * step)] for place in range(affordable)], True
