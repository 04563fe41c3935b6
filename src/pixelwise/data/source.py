"""Opening a data set: which layout it has, which splits, and what its masks mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixelwise.data import camvid, folder
from pixelwise.data.labels import recognise
from pixelwise.data.pairs import Found, Pair
from pixelwise.data.splits import carve
from pixelwise.data.survey import in_threads, survey_masks
from pixelwise.errors import DataError, SettingError, unknown_name
from pixelwise.io.images import ImageInfo, image_info
from pixelwise.types import LabelSpace

__all__ = ["DataSource", "Pair", "open_data"]

_LAYOUTS = (camvid, folder)
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
        path: the folder.
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
    root = Path(path)
    found = _find(root)
    splits, dropped = _annotated(found.splits, root)
    every = tuple({pair.id: pair for pairs in splits.values() for pair in pairs}.values())
    _check_sizes(every)
    notes = [f"layout {found.layout}: {len(every)} pictures with masks", *found.notes, *dropped]
    splits, made = _with_val(splits, val_fraction, seed)
    notes += made
    if label_space is None:
        masks, sampled = _for_survey(every)
        origin = str(root / "classes.txt")
        label_space, understood = recognise(survey_masks(masks), found.names, void=found.void, origin=origin)
        notes += understood
        if sampled:
            notes.append(f"{len(masks)} of the masks were looked into; training checks each as it reads it")
    return DataSource(root, found.layout, label_space, splits, tuple(notes))


def _find(root: Path) -> Found:
    if not root.exists():
        raise DataError(f"{root}: there is no such folder")
    if not root.is_dir():
        raise DataError(f"{root}: this is a file; expected the folder of a data set or its dataset.yaml")
    for layout in _LAYOUTS:
        found: Found | None = layout.find(root)
        if found is not None and any(found.splits.values()):
            return found
    looked = "; ".join(layout.LOOKED_FOR for layout in _LAYOUTS)
    present = ", ".join(sorted(p.name + "/" * p.is_dir() for p in root.iterdir() if not p.name.startswith("."))[:12])
    raise DataError(
        f"{root}: no layout fits. It holds {present or 'nothing'}; looked for {looked}. Arrange the pictures in one of "
        "these ways, or describe the folder in a dataset.yaml"
    )


def _annotated(
    splits: Mapping[str, tuple[Pair, ...]], root: Path
) -> tuple[dict[str, tuple[Pair, ...]], tuple[str, ...]]:
    """Leave out splits that have no masks at all, and refuse pictures whose mask is missing in the others."""
    kept: dict[str, tuple[Pair, ...]] = {}
    notes = []
    for name, pairs in splits.items():
        missing = [pair.id for pair in pairs if pair.mask is None]
        if pairs and len(missing) == len(pairs) and any(p.mask for other in splits.values() for p in other):
            notes.append(f"split {name}: none of its {len(pairs)} pictures has a mask, so it is left out")
        elif missing:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise DataError(
                f"{root}: {len(missing)} of {len(pairs)} pictures of split {name} have no mask: {shown}; a mask has "
                "the name of its picture (the suffix may differ). Add the masks, or move these pictures out"
            )
        elif pairs:
            kept[name] = pairs
    return kept, tuple(notes)


def _check_sizes(pairs: tuple[Pair, ...]) -> None:
    """Refuse pairs whose picture and mask differ in size, by their headers."""
    differing = []
    for pair, (image, mask) in zip(pairs, in_threads(_infos, pairs), strict=True):
        if image.size != mask.size:
            differing.append(f"{pair.id} {_text(image)} with mask {_text(mask)}")
    if differing:
        shown = ", ".join(differing[:5]) + (", ..." if len(differing) > 5 else "")
        raise DataError(
            f"{len(differing)} of {len(pairs)} masks have another size than their picture (height x width): {shown}; "
            "export each mask at the size of its picture"
        )


def _infos(pair: Pair) -> tuple[ImageInfo, ImageInfo]:
    assert pair.mask is not None
    return image_info(pair.image), image_info(pair.mask)


def _text(info: ImageInfo) -> str:
    return f"{info.size[0]}x{info.size[1]}"


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
