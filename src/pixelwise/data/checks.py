"""Checking that pictures and masks of a data set fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from pixelwise.data.findings import Findings
from pixelwise.data.layouts.nearest import is_lfs_pointer, lfs_advice, shared_patterns
from pixelwise.data.pairs import Pair
from pixelwise.data.unused import like_names
from pixelwise.errors import DataError
from pixelwise.instances import Size
from pixelwise.io.ahead import in_threads
from pixelwise.io.images import image_info
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.words import agreeing, counted, listed

_MOST_REASONS = 10
"""The most reasons that are said why files cannot be read."""


@runtime_checkable
class StatesSize(Protocol):
    """Reads objects from an annotation that may state the size of its picture."""

    def size(self) -> Size | None:
        """Height and width, without reading the objects; None where the size is not stated."""
        ...


def with_masks(splits: Mapping[str, tuple[Pair, ...]], root: Path, findings: Findings) -> dict[str, tuple[Pair, ...]]:
    """Leave out splits that have no masks at all, and find the pictures whose mask is missing in the others.

    A picture whose objects are annotated has no mask and needs none.

    Returns:
        The splits that are left.
    """
    kept: dict[str, tuple[Pair, ...]] = {}
    for name, pairs in splits.items():
        missing = [pair.id for pair in pairs if not _annotated(pair)]
        if pairs and len(missing) == len(pairs) and any(_annotated(p) for other in splits.values() for p in other):
            what = f"split {name}: none of its {counted(len(pairs), 'picture')} has a mask, so it is left out"
            findings.add("split_without_masks", what, files=missing)
            continue
        if missing:
            lacking = counted(len(missing), f"picture of split {name}", "has", of=len(pairs))
            first = next(pair for pair in pairs if not _annotated(pair))
            candidates = like_names(first.id, [file for one in findings for file in one.files])
            like = f" ({listed(candidates, most=3)} {agreeing(len(candidates), 'looks')} like it)" if candidates else ""
            findings.add(
                "pair_without_mask",
                f"{root}: {lacking} no mask: {listed(missing)}{like}",
                mend=_mend(first.id, candidates),
                files=missing,
                pairs=missing,
            )
        if pairs:
            kept[name] = pairs
        elif name == "val" and splits.get("train"):
            what = f"{root}: split val is there and has no picture, so pictures of train are kept for validation"
            findings.add("guessed", what, mend="fill its list or its folder, or remove it")
    return kept


def _mend(picture: str, candidates: Sequence[str]) -> str:
    """Say what to do about a picture without a mask, given the files whose names are like its own."""
    unread = [name for name in candidates if Path(name).suffix.lower() not in IMAGE_SUFFIXES]
    if candidates and len(unread) == len(candidates):
        return f"files such as {unread[0]} cannot be read; convert them to PNG of the same names"
    mend = (
        "a mask has the name of its picture (another suffix or an ending such as _mask will do). Add the masks, move "
        "these pictures out, or write the patterns of both into a dataset.yaml"
    )
    if len(candidates) > 1:
        return f"if each class has a file of its own, write them into one mask, with a number for each class; {mend}"
    patterns = shared_patterns(picture, candidates[0]) if candidates else None
    return f'{mend}: `images: "{patterns[0]}"` and `masks: "{patterns[1]}"`' if patterns else mend


def check_files(pairs: tuple[Pair, ...], findings: Findings) -> None:
    """Find pairs that cannot be read, that differ in size, and masks compressed with loss, by headers alone."""
    broken: dict[str, str] = {}
    differing: dict[str, str] = {}
    lossy: dict[str, Path] = {}
    exchanged = False
    noun = "mask"
    for pair, sizes in zip(pairs, in_threads(_try_sizes, pairs), strict=True):
        if isinstance(sizes, str):
            broken[pair.id] = sizes
            continue
        image, mask, loses = sizes
        if loses and pair.mask is not None:
            lossy[pair.id] = pair.mask
        if mask is not None and image != mask:
            noun = "mask" if pair.mask is not None else "annotation"
            differing[pair.id] = f"{pair.id} {_text(image)} with {noun} {_text(mask)}"
            exchanged |= image == mask[::-1]
    find_unreadable(broken, len(pairs), findings)
    if lossy:
        first = next(iter(lossy.values()))
        findings.add(
            "mask_lossy",
            f"{first}: {counted(len(lossy), 'mask', 'is', of=len(pairs))} compressed with loss, as JPEG, which changes "
            "the numbers that classes are told by",
            mend="export masks anew as PNG; saving a JPEG as PNG does not bring the numbers back",
            files=lossy,
            pairs=lossy,
        )
    if not differing:
        return
    mend = "export each mask at the size of its picture" if noun == "mask" else "annotate the pictures as they are now"
    if exchanged:
        mend += ". Where height and width are exchanged, one of the two has an EXIF rotation that the other lacks"
    others = counted(len(differing), noun, "has", of=len(pairs))
    findings.add(
        "size_differs",
        f"{others} another size than the picture (height x width): {listed(differing.values())}",
        mend=mend,
        files=differing,
        pairs=differing,
    )


def find_unreadable(broken: Mapping[str, str], count: int, findings: Findings) -> None:
    """Tell which pictures cannot be used because a file of theirs cannot be read.

    Args:
        broken: id of each such pair -> why; the message names the file.
        count: how many pairs were looked at.
        findings: where to add it, if there is any.
    """
    if broken:
        reasons = list(dict.fromkeys(broken.values()))
        said = "; ".join(reasons[:_MOST_REASONS])
        more = f"; and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
        what = f"{counted(len(broken), 'picture', of=count)} cannot be used: {said}{more}"
        findings.add("unreadable", what, files=broken, pairs=broken)


def _annotated(pair: Pair) -> bool:
    return pair.mask is not None or pair.objects is not None


def _try_sizes(pair: Pair) -> tuple[Size, Size | None, bool] | str:
    """As :func:`_sizes`, or why they cannot be read."""
    try:
        return _sizes(pair)
    except DataError as error:
        pointer = next((path for path in (pair.image, pair.mask) if path is not None and is_lfs_pointer(path)), None)
        return str(error) if pointer is None else lfs_advice(pointer)


def _sizes(pair: Pair) -> tuple[Size, Size | None, bool]:
    """The size of a picture, that of its annotation where it states one, and whether its mask is lossy."""
    annotated: Size | None = None
    lossy = False
    if pair.mask is not None:
        mask = image_info(pair.mask)
        annotated, lossy = mask.size, mask.lossy
    elif isinstance(pair.objects, StatesSize):
        annotated = pair.objects.size()
    return image_info(pair.image).size, annotated, lossy


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
