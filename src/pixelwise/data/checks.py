"""Whether pictures and masks of a data set fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from pixelwise.data.pairs import Pair
from pixelwise.data.survey import in_threads
from pixelwise.errors import DataError
from pixelwise.instances import Size
from pixelwise.io.images import image_info
from pixelwise.words import counted


@runtime_checkable
class StatesSize(Protocol):
    """Reads objects from an annotation that may say how large its picture is."""

    def size(self) -> Size | None:
        """Height and width, without reading the objects; None where it does not say."""
        ...


def with_masks(
    splits: Mapping[str, tuple[Pair, ...]], root: Path
) -> tuple[dict[str, tuple[Pair, ...]], tuple[str, ...]]:
    """Leave out splits that have no masks at all, and refuse pictures whose mask is missing in the others.

    Returns:
        The splits that are left, and notes on those left out.

    A picture whose objects are annotated has no mask and needs none.

    Raises:
        DataError: some pictures of a split have masks and others none; the message counts them and names the first.
    """
    kept: dict[str, tuple[Pair, ...]] = {}
    notes = []
    for name, pairs in splits.items():
        missing = [pair.id for pair in pairs if not _annotated(pair)]
        if pairs and len(missing) == len(pairs) and any(_annotated(p) for other in splits.values() for p in other):
            notes.append(f"split {name}: none of its {counted(len(pairs), 'picture')} has a mask, so it is left out")
        elif missing:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            lacking = counted(len(missing), f"picture of split {name}", "has", of=len(pairs))
            raise DataError(
                f"{root}: {lacking} no mask: {shown}; a mask has "
                "the name of its picture (the suffix may differ). Add the masks, or move these pictures out"
            )
        elif pairs:
            kept[name] = pairs
    return kept, tuple(notes)


def check_sizes(pairs: tuple[Pair, ...]) -> None:
    """Refuse pairs whose picture and annotation differ in size, by their headers alone.

    Raises:
        DataError: some do; the message counts them and names the first.
    """
    differing = []
    exchanged = False
    for pair, (image, mask) in zip(pairs, in_threads(_sizes, pairs), strict=True):
        if mask is not None and image != mask:
            differing.append(f"{pair.id} {_text(image)} with mask {_text(mask)}")
            exchanged |= image == mask[::-1]
    if differing:
        shown = ", ".join(differing[:5]) + (", ..." if len(differing) > 5 else "")
        mend = "export each mask at the size of its picture"
        if exchanged:
            mend += ". Where height and width are exchanged, one of the two has an EXIF rotation that the other lacks"
        raise DataError(
            f"{counted(len(differing), 'mask', 'has', of=len(pairs))} another size than the picture (height x width): "
            f"{shown}; {mend}"
        )


def _annotated(pair: Pair) -> bool:
    return pair.mask is not None or pair.objects is not None


def _sizes(pair: Pair) -> tuple[Size, Size | None]:
    """The size of a picture, and that of its annotation where it states one."""
    annotated: Size | None = None
    if pair.mask is not None:
        annotated = image_info(pair.mask).size
    elif isinstance(pair.objects, StatesSize):
        annotated = pair.objects.size()
    return image_info(pair.image).size, annotated


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
