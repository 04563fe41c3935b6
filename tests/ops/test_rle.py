"""Run lengths that someone else wrote: damaged ones end in a DataError, never in memory that is not theirs."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

from pixelwise.errors import DataError, SettingError
from pixelwise.instances import BoxMask
from pixelwise.ops import decode_box_mask, decode_rle, encode_rle
from pixelwise.ops.native import native_module

HEIGHT, WIDTH = 20, 30
PIXELS = HEIGHT * WIDTH
WRAPPING = [100, 100, 2**63 - 1, 2**63 - 1, PIXELS - 198]
"""Adds up to the size in 64 bits, and not in truth."""


def compress(numbers: list[int], groups: int = 1) -> str:
    """Write numbers as COCO's text does, without taking differences, in so many characters each at least."""
    text = ""
    for number in numbers:
        written, more = 0, True
        while more:
            group, number = number & 31, number >> 5
            written += 1
            more = (number != -1 if group & 16 else number != 0) or written < groups
            text += chr(48 + group + 32 * more)
    return text


def differences(runs: list[int]) -> list[int]:
    return [run - runs[place - 2] if place > 2 else run for place, run in enumerate(runs)]


def damaged() -> dict[str, Any]:
    many = 20_000
    return {
        "wraps": WRAPPING,
        "wraps, with numbers of numpy": [np.int64(run) for run in WRAPPING],
        "wraps as an array": np.array(WRAPPING, np.int64),
        "wraps as an unsigned array": np.array([2**64 - 1, 1, PIXELS], np.uint64),
        "wraps to the size by steps": [2**62, 2**62, 2**62, 2**62, PIXELS],
        "wraps as text": compress(differences(WRAPPING)),
        "wraps as text, step by step": compress(differences([100, 100] + [2**62] * 4 + [PIXELS - 200])),
        "wraps as text by many differences": compress([0, 0, 0, *[600] * many]),
        "beyond 64 bits": [2**64 + PIXELS],
        "of 5,000 digits": [10**5000],
        "floats": [100.0, PIXELS - 100.0],
        "not a number": [float("nan"), PIXELS],
        "infinite": [float("inf")],
        "negative": [-100, PIXELS + 100],
        "negative as text": compress([-100, PIXELS + 100]),
        "a difference below zero": compress([100, 10, 400, -20, 100]),
        "too long in the middle": [PIXELS + 1, 0],
        "words": ["100", "500"],
        "truth values": [True, PIXELS - 1],
        "truth values of numpy": [np.True_, PIXELS - 1],
        "nothing in the list": [None, PIXELS],
        "lists": [[100], [500]],
        "nested without end": nested(5000),
        "a table": np.full((2, 3), 100),
        "an array of floats": np.array([100.0, 500.0]),
        "nothing": None,
        "a number": PIXELS,
        "a mapping": {"0": PIXELS},
        "empty": [],
        "empty text": "",
        "characters below": "\x01",
        "characters above": "~~",
        "characters beyond ASCII": "é",
        "half of a pair": "\ud800",
        "bytes above": b"\xff\xfe",
        "goes on without an end": "P" * 1000,
        "goes on at the end": compress([PIXELS]) + "P",
        "overlong": compress([PIXELS], groups=13),
        "longer than 64 bits": compress([PIXELS], groups=40),
        "a shift of a million bits": "P" * 200_000 + "0",
    }


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("what", damaged())
@pytest.mark.parametrize("decode", [decode_rle, decode_box_mask])
def test_damaged_counts_are_refused(decode: Any, what: str) -> None:
    with pytest.raises(DataError, match="damaged") as caught:
        decode({"size": [HEIGHT, WIDTH], "counts": damaged()[what]})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "size",
    [
        None,
        [],
        [20],
        [20, 30, 1],
        "20",
        {"height": 20, "width": 30},
        [20.0, 30.0],
        [20.5, 30],
        [float("nan"), 30],
        [float("inf"), 30],
        ["20", "30"],
        [True, 600],
        [None, 30],
        [[20], [30]],
        [-20, -30],
        [-20, 30],
        [2**63, 2**63],
        [2**32, 2**32],  # 0 pixels in 64 bits
        [10**5000, 1],
    ],
)
@pytest.mark.parametrize("decode", [decode_rle, decode_box_mask])
def test_sizes_that_are_none_are_refused(decode: Any, size: Any) -> None:
    with pytest.raises(DataError, match=r"the size of a run-length encoded mask is .*; expected height and width"):
        decode({"size": size, "counts": [PIXELS]})


def test_no_mapping_is_refused() -> None:
    for rle in (None, [], "abc", {}):
        with pytest.raises(DataError, match="the size of"):
            decode_rle(rle)  # type: ignore[arg-type]


def test_nothing_is_allocated_before_the_check() -> None:
    tracemalloc.start()
    try:
        for decode in (decode_rle, decode_box_mask):
            for counts in ([0, 2**40], compress([0, 2**40])):
                with pytest.raises(DataError, match=f"of 1048576x1048576 pixels .*{2**32} is the most"):
                    decode({"size": [2**20, 2**20], "counts": counts})  # type: ignore[typeddict-item]
        with pytest.raises(DataError, match=f"add up to {2**40}, got 2 runs of {2**40 + 2**39:,} pixels"):
            decode_box_mask({"size": [2**20, 2**20], "counts": [2**40, 2**39]})  # type: ignore[typeddict-item]
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_large_pictures_keep_small_masks() -> None:
    """A box on a raster of 10 gigapixels, beyond 32 bits, goes out and comes back."""
    mask = BoxMask(np.ones((3, 2), np.bool_), 70_000, 99_990, (100_000, 100_000))
    rle = encode_rle(mask)
    decoded = decode_box_mask(rle)
    assert decoded.box == (99_990, 70_000, 99_992, 70_003)
    assert decoded.area == 6
    with pytest.raises(SettingError, match="pixels are the most"):
        encode_rle(BoxMask(np.ones((1, 1), np.bool_), 0, 0, (2**40, 2**40)))


def test_integers_of_numpy_are_as_good_as_pythons() -> None:
    mask = torch.zeros(WIDTH * HEIGHT, dtype=torch.bool)
    mask[100:103] = True
    expected = mask.reshape(WIDTH, HEIGHT).T
    for counts in ([100, 3, 497], np.array([100, 3, 497], np.uint16), (np.int32(100), 3, np.uint8(0), 0, 497)):
        assert torch.equal(decode_rle({"size": [HEIGHT, WIDTH], "counts": counts}), expected)  # type: ignore[typeddict-item]
    padded = compress([100], groups=2) + compress([3, 497])  # one character more than needed says the same
    assert torch.equal(decode_rle({"size": [HEIGHT, WIDTH], "counts": padded}), expected)


def test_random_text_is_a_mask_or_an_error() -> None:
    random = np.random.default_rng(0)
    fine = 0
    for _ in range(2000):
        text = random.integers(48, 112, random.integers(0, 12)).astype(np.uint8).tobytes()
        try:
            mask = decode_rle({"size": [3, 5], "counts": text})  # type: ignore[typeddict-item]
        except DataError:
            continue
        fine += 1
        assert mask.shape == (3, 5)
    assert fine < 2000


@pytest.mark.skipif(native_module() is None, reason="this installation has no native kernels")
@pytest.mark.parametrize(
    ("top", "left", "height", "width"),
    [
        (2**63 - 1, 0, 4, 4),
        (0, 2**63 - 1, 4, 4),
        (-1, 0, 4, 4),
        (0, 0, 1, 4),
        (0, 0, -(2**63), 4),
        (0, 0, 2**62, 2**62),
        (0, 0, 2**32, 2**32),
    ],
)
def test_the_kernel_refuses_places_that_wrap(top: int, left: int, height: int, width: int) -> None:
    native = native_module()
    assert native is not None
    with pytest.raises(ValueError, match=re.compile("reaches beyond|too many pixels")):
        native.encode_runs(np.ones((2, 2), np.uint8), top, left, height, width)


@pytest.mark.skipif(native_module() is None, reason="this installation has no native kernels")
@pytest.mark.parametrize(
    "window",
    [
        (4, 4, 0, 0, 2**32, 2**32),  # 0 pixels in 64 bits
        (2**32, 2**32, 0, 0, 2**32, 2**32),
        (4, 4, 3, 0, 2, 2),
        (4, 4, 0, -1, 2, 2),
        (4, 4, 0, 0, -1, -4),
        (4, 4, 2**63 - 1, 0, 2, 2),
    ],
)
def test_the_kernel_refuses_windows_that_wrap(window: tuple[int, ...]) -> None:
    native = native_module()
    assert native is not None
    masks, pixels = np.ones((1, 3, 3), np.float32), np.zeros(4, np.uint8)
    with pytest.raises(ValueError, match=r"window|pixels"):
        native.paste_masks(masks, np.array([window], np.int64), 0.5, pixels, 1)
