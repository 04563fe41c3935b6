"""Whether pictures and masks of a data set fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pixelwise.data.pairs import Pair
from pixelwise.data.survey import in_threads
from pixelwise.errors import DataError
from pixelwise.io.images import ImageInfo, image_info


def with_masks(
    splits: Mapping[str, tuple[Pair, ...]], root: Path
) -> tuple[dict[str, tuple[Pair, ...]], tuple[str, ...]]:
    """Leave out splits that have no masks at all, and refuse pictures whose mask is missing in the others.

    Returns:
        The splits that are left, and notes on those left out.

    Raises:
        DataError: some pictures of a split have masks and others none; the message counts them and names the first.
    """
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


def check_sizes(pairs: tuple[Pair, ...]) -> None:
    """Refuse pairs whose picture and mask differ in size, by their headers alone.

    Raises:
        DataError: some do; the message counts them and names the first.
    """
    differing = []
    exchanged = False
    for pair, (image, mask) in zip(pairs, in_threads(_infos, pairs), strict=True):
        if image.size != mask.size:
            differing.append(f"{pair.id} {_text(image)} with mask {_text(mask)}")
            exchanged |= image.size == mask.size[::-1]
    if differing:
        shown = ", ".join(differing[:5]) + (", ..." if len(differing) > 5 else "")
        mend = "export each mask at the size of its picture"
        if exchanged:
            mend += ". Where height and width are exchanged, one of the two has an EXIF rotation that the other lacks"
        raise DataError(
            f"{len(differing)} of {len(pairs)} masks have another size than their picture (height x width): {shown}; "
            f"{mend}"
        )


def _infos(pair: Pair) -> tuple[ImageInfo, ImageInfo]:
    assert pair.mask is not None
    return image_info(pair.image), image_info(pair.mask)


def _text(info: ImageInfo) -> str:
    return f"{info.size[0]}x{info.size[1]}"
