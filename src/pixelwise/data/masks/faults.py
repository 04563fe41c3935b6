"""What is wrong with masks that can be read: smoothed, compressed with loss, of contradicting palettes or forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.findings import Findings
from pixelwise.data.masks.survey import MaskCounts, Survey, merge
from pixelwise.types import StoredValue
from pixelwise.words import counted

FLAT_SHARE = 0.1
"""Below it a value lives on edges only: 2-pixel lines have 0.25 and more, smoothed and JPEG edges at most 0.02."""

_SUSPICIOUS = 8  # so many edge values are no accident, even among class indices
_FEW = 3  # neither are so many among numbers that are no class indices, nor 2 that lie beside others
_NEAR = 8  # JPEG leaves most of its errors within so many levels of what was saved; smoothing spreads them evenly
_MOST = 0.6

PairIds = Mapping[Path, str]
"""Mask file -> id of its pair."""


def find_mask_faults(
    counts: Sequence[MaskCounts], ids: PairIds, root: Path, findings: Findings, *, mapped: bool
) -> list[MaskCounts]:
    """Find masks that would be misread, each kind of fault with the masks that have it.

    Args:
        counts: what each mask holds.
        ids: the pair of each mask; errors about single masks name them, so that they can be left out.
        root: of the data set.
        findings: takes what is found.
        mapped: whether a description says what every value means; edge values and palettes are its business then.

    Returns:
        The masks without faults of their own.
    """
    _find_alpha(counts, root, findings)
    good = _without_crowded(counts, ids, root, findings)
    good = _of_one_form(good, ids, root, findings)
    if mapped or not good:
        return good
    good = _without_edges(good, ids, root, findings)
    if good and (clash := merge(good).clash) is not None:
        first, second, index = clash
        findings.add(
            "palette_clash",
            f"{second}: its palette gives index {index} another colour than the palette of {first}, so indices do not "
            "mean the same in all masks",
            mend="export all masks with one palette, or name the indices in dataset.yaml",
            files=[_name(second, root), _name(first, root)],
        )
    return good


def edge_values(survey: Survey) -> dict[StoredValue, bool]:
    """Find values that are no classes, because they live along edges only.

    Returns:
        Value -> whether it lies beside a value that fills areas, as errors of lossy compression do. Empty where there
        are too few to say.
    """
    edges = [value for value, pixels in survey.pixels.items() if survey.flat[value] < FLAT_SHARE * pixels]
    if not edges or 2 * len(edges) < len(survey.pixels):
        return {}
    on_edges = set(edges)
    solid = _channels([value for value in survey.pixels if value not in on_edges])
    distances = [_distance(value, solid) for value in _channels(edges)]
    beside = {value: distance <= _NEAR for value, distance in zip(edges, distances, strict=True)}
    if len(edges) >= _SUSPICIOUS:
        return beside
    highest = int(_channels(list(survey.pixels)).max())
    indices = not survey.by_color and highest < 4 * len(survey.pixels)
    enough = len(edges) >= _FEW or (len(edges) == 2 and all(beside.values()))
    return beside if enough and len(solid) > 1 and not indices and not survey.by_color else {}


def _without_crowded(counts: Sequence[MaskCounts], ids: PairIds, root: Path, findings: Findings) -> list[MaskCounts]:
    crowded = [one for one in counts if one.crowded]
    if crowded:
        first = max(crowded, key=lambda one: one.crowded)
        findings.add(
            "mask_lossy",
            f"{first.path}: the mask holds {first.crowded} colours, so its edges are smoothed, it was a JPEG, or it is "
            f"a photo{_and_others(crowded, counts)}",
            mend="export masks without smoothing, as PNG",
            files=[_name(one.path, root) for one in _first(first, crowded)],
            pairs=_pairs(crowded, ids),
        )
    return [one for one in counts if not one.crowded]


def _of_one_form(counts: Sequence[MaskCounts], ids: PairIds, root: Path, findings: Findings) -> list[MaskCounts]:
    """Leave out the fewer of masks of numbers and masks of colours."""
    colors = [one for one in counts if one.by_color]
    numbers = [one for one in counts if not one.by_color]
    few, most = sorted((colors, numbers), key=len)
    if few:
        holds = "RGB colours" if few[0].by_color else "one number per pixel"
        findings.add(
            "mixed_mask_forms",
            f"{few[0].path}: this mask holds {holds} but {most[0].path} does not{_and_others(few, counts)}",
            mend="export all masks in one form",
            files=[_name(one.path, root) for one in few],
            pairs=_pairs(few, ids),
        )
    return list(most)


def _without_edges(counts: Sequence[MaskCounts], ids: PairIds, root: Path, findings: Findings) -> list[MaskCounts]:
    """Leave out masks that hold values of edges."""
    survey = merge(counts)
    beside = edge_values(survey)
    if not beside:
        return list(counts)
    packed = np.array([_packed(value) for value in beside], np.int64)
    faulty = [one for one in counts if np.isin(one.values, packed).any()]
    near = sum(survey.pixels[value] for value, lies_beside in beside.items() if lies_beside)
    lossy = near > _MOST * sum(survey.pixels[value] for value in beside)
    what = "colours" if survey.by_color else "grey values"
    first = max(faulty, key=lambda one: int(np.isin(one.values, packed).sum()))
    own = int(np.isin(first.values, packed).sum())
    why = (
        "most of these close to others, as JPEG leaves them"
        if lossy
        else "as enlarging or drawing with smoothing leaves them"
    )
    findings.add(
        "mask_lossy" if lossy else "mask_smoothed",
        f"{first.path}: the mask holds {counted(len(first.values), what[:-1])}, {own} of them along edges only, {why}"
        f"{_and_others(faulty, counts)}",
        mend="export masks without smoothing (nearest neighbour), as PNG"
        if not lossy
        else "export masks anew as PNG; saving a JPEG as PNG does not bring the values back",
        files=[_name(one.path, root) for one in _first(first, faulty)],
        pairs=_pairs(faulty, ids),
    )
    return [one for one in counts if one not in faulty]


def _find_alpha(counts: Sequence[MaskCounts], root: Path, findings: Findings) -> None:
    hidden = [one for one in counts if one.in_alpha]
    if hidden:
        holds = "it is a photo" if hidden[0].crowded else "its colour is the same everywhere"
        findings.add(
            "mask_alpha",
            f"{hidden[0].path}: {holds} and its transparency varies, so the object may lie in the "
            f"transparency, which is not read{_and_others(hidden, counts)}",
            mend="if it does, save the alpha channel as the mask",
            files=[_name(one.path, root) for one in hidden],
        )


def _and_others(some: Sequence[MaskCounts], counts: Sequence[MaskCounts]) -> str:
    return "" if len(some) < 2 else f"; {counted(len(some), 'mask', 'is', of=len(counts))} so"


def _first(one: MaskCounts, among: Sequence[MaskCounts]) -> list[MaskCounts]:
    return [one, *(other for other in among if other is not one)]


def _pairs(faulty: Sequence[MaskCounts], ids: PairIds) -> list[str]:
    return [ids[one.path] for one in faulty if one.path in ids]


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _packed(value: StoredValue) -> int:
    return value if isinstance(value, int) else value[0] << 16 | value[1] << 8 | value[2]


def _channels(values: Sequence[StoredValue]) -> NDArray[np.int64]:
    """Give values as (N, 1) numbers or (N, 3) colours."""
    return np.array(values, np.int64).reshape(len(values), -1)


def _distance(value: NDArray[np.int64], others: NDArray[np.int64]) -> int:
    """Greatest difference over the channels of (C,) to the nearest of (N, C)."""
    return int(np.abs(others - value).max(1).min()) if len(others) else 2**16
