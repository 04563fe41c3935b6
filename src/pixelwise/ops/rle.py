"""Run-length encoding of binary masks as in COCO's files.

A mask is read column by column; its runs alternate between 0 and 1 and start with 0. In the compressed form, each run
from the fourth on is stored as the difference from the run two before it. Each number is split into groups of five
bits, lowest first, of which the last carries the sign. Each group, plus 32 if more groups follow, is written as a
character counted from ``"0"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, SettingError, quoted
from pixelwise.instances import BoxMask
from pixelwise.ops.native import native_module
from pixelwise.words import counted

if TYPE_CHECKING:
    from torch import Tensor

MOST_DECODED_PIXELS = 2**32
"""The pixels of the largest mask that is decoded, at one byte per pixel."""

_FIRST_CHARACTER, _CONTINUATION_BIT, _SIGN_BIT = 48, 32, 16
_MOST_PICTURE_PIXELS = 2**48  # pixels of the largest picture; sums and differences of runs then stay far below 64 bits


class Rle(TypedDict):
    """A run-length encoded mask as it stands in COCO's JSON: ``size`` is [height, width]."""

    size: list[int]
    counts: str


def encode_rle(mask: Tensor | NDArray[Any] | BoxMask) -> Rle:
    """Encode a binary mask in COCO's compressed form.

    Args:
        mask: bool or 0 and 1 (H, W), or a box-local mask, which takes time for its box only.

    Raises:
        SettingError: a mask is not (H, W) or holds other values than 0 and 1, or its picture more than 2**48
            pixels.
    """
    if not isinstance(mask, BoxMask):
        whole = mask.detach().cpu().numpy() if hasattr(mask, "detach") else np.asarray(mask)
        if whole.ndim != 2 or not ((whole == 0) | (whole == 1)).all():
            raise SettingError(f"mask must be (H, W) of 0 and 1, got {whole.dtype} {whole.shape}")
        mask = BoxMask(whole.astype(np.bool_), 0, 0, (whole.shape[0], whole.shape[1]))
    height, width = mask.size
    if height * width > _MOST_PICTURE_PIXELS:
        raise SettingError(f"mask lies on a picture of {height}x{width}; {_MOST_PICTURE_PIXELS} pixels are the most")
    columns = np.ascontiguousarray(mask.pixels.T).view(np.uint8)  # (columns, rows)
    native = native_module()
    if native is not None:
        counts: str = native.encode_runs(columns, mask.top, mask.left, height, width)
    else:
        counts = _compress(_runs(columns, mask.top, mask.left, height, width))
    return {"size": [height, width], "counts": counts}


def decode_rle(rle: Rle) -> Tensor:
    """Decode a mask of COCO's JSON, compressed (a string) or not (a list of run lengths): bool (H, W).

    Nothing of the mask's size is allocated before all of its runs are known to lie on it.

    Raises:
        DataError: the size is not valid, the runs do not add up to it or are no whole numbers, the text is no
            run-length encoding, or the mask has more than :data:`MOST_DECODED_PIXELS`.
    """
    height, width = _size(rle)
    _check_memory(height, width)
    runs = _parse(rle)
    values = np.arange(len(runs)) % 2 == 1
    import torch  # here, because decoding and encoding arrays needs none

    return torch.from_numpy(np.repeat(values, runs).reshape(width, height)).t()  # (H, W)


def decode_box_mask(rle: Rle) -> BoxMask:
    """Decode a mask of COCO's JSON into its smallest box only; errors are those of :func:`decode_rle`."""
    height, width = _size(rle)
    runs = _parse(rle)
    ends = np.cumsum(runs)
    starts, stops = ends[0::2][: len(ends) // 2], ends[1::2]  # of the runs of ones
    starts, stops = starts[stops > starts], stops[stops > starts]
    if not len(starts):
        return BoxMask(np.zeros((0, 0), np.bool_), 0, 0, (height, width))
    left, right = int(starts[0] // height), int((stops[-1] - 1) // height) + 1
    _check_memory(height, right - left)
    changes = np.stack([starts, stops], 1).reshape(-1) - left * height
    lengths = np.diff(changes, prepend=0, append=(right - left) * height)
    values = np.arange(len(lengths)) % 2 == 1
    columns = np.repeat(values, lengths).reshape(right - left, height)
    return BoxMask(columns.T, 0, left, (height, width)).trimmed()


def _size(rle: Rle) -> tuple[int, int]:
    """Check height and width of an encoded mask."""
    size = rle.get("size") if isinstance(rle, Mapping) else None
    whole = isinstance(size, list | tuple) and len(size) == 2 and all(map(_is_whole, size))
    if not whole or min(size) < 0 or int(size[0]) * int(size[1]) > _MOST_PICTURE_PIXELS:
        raise DataError(f"the size of a run-length encoded mask is {quoted(size)}; expected height and width in pixels")
    return int(size[0]), int(size[1])


def _check_memory(height: int, width: int) -> None:
    if height * width > MOST_DECODED_PIXELS:
        raise DataError(f"a mask of {height}x{width} pixels is not decoded at once; {MOST_DECODED_PIXELS} is the most")


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _parse(rle: Rle) -> NDArray[np.int64]:
    """Read the run lengths; each of them and every sum of the first ones is at most the number of pixels."""
    height, width = _size(rle)
    pixels = height * width
    counts = rle.get("counts")
    runs = _decompress(counts, pixels) if isinstance(counts, str | bytes) else _whole_runs(counts, pixels)
    total = np.cumsum(runs)
    # The first sum beyond the picture has not wrapped around, because the sum before it and each run lie within it.
    if (total > pixels).any() or (total[-1] if len(total) else 0) != pixels:
        found = sum(runs.tolist())
        raise DataError(
            f"a run-length encoded mask of {height}x{width} needs runs that add up to {pixels}, "
            f"got {counted(len(runs), 'run')} of {counted(found, 'pixel')} in all; the annotation is damaged"
        )
    return runs


def _whole_runs(counts: object, pixels: int) -> NDArray[np.int64]:
    """Check a list of run lengths in Python's integers, which do not wrap around."""
    listed = counts.tolist() if isinstance(counts, np.ndarray) else counts
    if not isinstance(listed, list | tuple):
        raise DataError(
            f"the counts of a mask are {quoted(counts)}; expected a list of run lengths, or text; "
            "the annotation is damaged"
        )
    kinds = set(map(type, listed))
    for kind in kinds:
        if kind is not int and not issubclass(kind, np.integer):
            wrong = next(run for run in listed if type(run) is kind)
            raise DataError(f"a run of a mask is {quoted(wrong)}, no whole number; the annotation is damaged")
    if listed and not 0 <= min(listed) <= max(listed) <= pixels:
        wrong = next(run for run in listed if not 0 <= run <= pixels)
        raise DataError(
            f"a run of a mask is {quoted(wrong)} pixels, on a picture of {pixels}; the annotation is damaged"
        )
    return np.array(listed, np.int64)


def _runs(columns: NDArray[np.uint8], top: int, left: int, height: int, width: int) -> NDArray[np.int64]:
    """Find the run lengths of a local mask, stored (columns, rows), on a picture of zeros."""
    local_width, local_height = columns.shape
    below = np.zeros((local_width, 1), np.uint8)  # a run ends where the picture goes on below the box
    edges = np.diff(np.concatenate([below, columns, below], 1).astype(np.int8), axis=1)  # (columns, rows + 1)
    column, row = np.nonzero(edges)
    changes = (left + column) * height + top + row
    if local_height == height:
        # Ones at the bottom of a column and at the top of the next column are one run.
        joined = changes[1:] == changes[:-1]
        keep = np.ones(len(changes), bool)
        keep[1:] &= ~joined
        keep[:-1] &= ~joined
        changes = changes[keep]
    runs: NDArray[np.int64] = np.diff(changes, prepend=0, append=height * width)
    if len(changes) and changes[-1] == height * width:
        runs = runs[:-1]
    return runs


def _compress(runs: NDArray[np.int64]) -> str:
    rest = runs.copy()
    rest[3:] -= runs[1:-2]
    characters: list[list[int]] = [[] for _ in rest]
    open_numbers = np.arange(len(rest))
    while len(open_numbers):
        group = rest & 31
        rest >>= 5
        more = np.where(group & _SIGN_BIT, rest != -1, rest != 0)
        for number, value in zip(
            open_numbers.tolist(), (group + _CONTINUATION_BIT * more + _FIRST_CHARACTER).tolist(), strict=True
        ):
            characters[number].append(value)
        open_numbers, rest = open_numbers[more], rest[more]
    return bytes(value for number in characters for value in number).decode("ascii")


def _decompress(counts: str | bytes, pixels: int) -> NDArray[np.int64]:
    """Read compressed run lengths of a picture of ``pixels`` pixels; each lies in 0 .. ``pixels``."""
    text = counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else counts
    groups = np.frombuffer(text, np.uint8).astype(np.int64) - _FIRST_CHARACTER
    last = groups & _CONTINUATION_BIT == 0
    if len(groups) and (groups.min() < 0 or groups.max() > 63 or not last[-1]):
        raise DataError("the counts of a mask are no run-length encoding; the annotation is damaged")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
    lengths = ends - starts + 1
    # Numbers lie in -pixels .. pixels; those of more groups would not fit into 64 bits.
    most = -(-(pixels.bit_length() + 1) // 5)
    if lengths.max(initial=0) > most:
        raise DataError(
            f"the counts of a mask hold a number of {lengths.max()} characters, but {most} are enough for {pixels} "
            "pixels; the annotation is damaged"
        )
    shift = 5 * (np.arange(len(groups)) - np.repeat(starts, lengths))
    runs: NDArray[np.int64] = np.add.reduceat((groups & 31) << shift, starts) if len(ends) else groups
    runs = runs - np.where(groups[ends] & _SIGN_BIT, np.int64(1) << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    # As with their sum, the first run beyond the picture has not wrapped around yet.
    astray = np.flatnonzero((runs < 0) | (runs > pixels))
    if len(astray):
        raise DataError(
            f"a run of a mask is {runs[astray[0]]} pixels, on a picture of {pixels}; the annotation is damaged"
        )
    return runs
