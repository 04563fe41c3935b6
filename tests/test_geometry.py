"""Geometry against the figures of papers, and against sets of pixels pushed through every operator."""

from __future__ import annotations

import doctest
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from pixelwise.errors import SettingError
from pixelwise.geometry import Geometry, Phase

IDENTITY = Geometry.identity()

# The networks of the papers, built by hand.


def vgg16(padding: int = 1) -> list[Geometry]:
    """Geometry after each of the five pools; FCN pads the first convolution by 100."""
    pools, maps = [], IDENTITY.conv(3, padding=padding)
    for stage, convolutions in enumerate((2, 2, 3, 3, 3)):
        for _ in range(convolutions - (stage == 0)):
            maps = maps.conv(3, padding=1)
        maps = maps.pool(2, ceil=True)
        pools.append(maps)
    return pools


def offset(upper: Geometry, lower: Geometry) -> Fraction:
    """Cells to cut at the top and the left of ``lower`` so that it lies on ``upper``."""
    return (upper.center - lower.center) / lower.stride


def unet2015() -> tuple[Geometry, Geometry]:
    """Geometry of the bottom level and of the scores."""
    skips, maps = [], IDENTITY
    for level in range(5):
        maps = (maps.pool(2) if level else maps).conv(3).conv(3)
        skips.append(maps)
    bottom = maps
    for skip, crop in zip(skips[-2::-1], (4, 16, 40, 88), strict=True):
        maps = maps.transposed(2, stride=2).join(skip.pad(-crop, -crop)).conv(3).conv(3)
    return bottom, maps.conv(1)


def test_receptive_fields_of_vgg16() -> None:
    assert [pool.receptive_field for pool in vgg16()] == [6, 16, 44, 100, 212]
    assert [pool.stride for pool in vgg16()] == [2, 4, 8, 16, 32]
    assert vgg16()[-1].center == Fraction(212 - 1, 2) - 90  # its published effective padding


def test_fcn_sees_404_pixels_and_its_crops_follow() -> None:
    *_, pool3, pool4, pool5 = vgg16(padding=100)
    scores = pool5.conv(7).conv(1)
    assert scores.receptive_field == 404
    assert offset(IDENTITY, scores.transposed(64, stride=32)) == 19

    twice = scores.transposed(4, stride=2)
    assert offset(twice, pool4) == 5
    fused = twice.join(pool4.pad(-5, -5))
    assert offset(IDENTITY, fused.transposed(32, stride=16)) == 27

    twice = fused.transposed(4, stride=2)
    assert offset(twice, pool3) == 9
    fused = twice.join(pool3.pad(-9, -9))
    assert offset(IDENTITY, fused.transposed(16, stride=8)) == 31


def test_fcn_computes_544_560_and_568_pixels_for_500() -> None:
    *_, pool3, pool4, pool5 = vgg16(padding=100)
    assert [pool.output_size(500) for pool in vgg16(padding=100)] == [349, 175, 88, 44, 22]
    scores = pool5.conv(7).conv(1)
    assert scores.output_size(500) == 16
    assert scores.transposed(64, stride=32).output_size(500) == 544
    fused = scores.transposed(4, stride=2).join(pool4.pad(-5, -5))
    assert fused.output_size(500) == 34
    assert fused.transposed(32, stride=16).output_size(500) == 560
    fused = fused.transposed(4, stride=2).join(pool3.pad(-9, -9))
    assert fused.output_size(500) == 70
    assert fused.transposed(16, stride=8).output_size(500) == 568
    assert scores.output_size(1) > 0  # the padding of 100 admits any picture


def test_fcn_on_alexnet_crops_18() -> None:
    maps = IDENTITY.conv(11, stride=4, padding=100).pool(3, stride=2, ceil=True)
    maps = maps.conv(5, padding=2).pool(3, stride=2, ceil=True)
    maps = maps.conv(3, padding=1).conv(3, padding=1).conv(3, padding=1).pool(3, stride=2, ceil=True)
    scores = maps.conv(6).conv(1)
    assert scores.receptive_field == 355
    assert offset(IDENTITY, scores.transposed(63, stride=32)) == 18


def test_unet_gives_388_pixels_for_572() -> None:
    bottom, scores = unet2015()
    assert bottom.receptive_field == 140
    assert (scores.stride, scores.period, scores.margin) == (1, 16, 92)
    assert scores.output_size(572) == 388
    assert scores.input_size(388) == 572
    assert scores.legal_sizes == (188, 16)
    assert [scores.output_size(188 + 16 * k) for k in range(5)] == [4, 20, 36, 52, 68]
    assert scores.output_size(187) == 0
    assert scores.output_size(700) == 516


def test_segnet_basic_sees_106_pixels() -> None:
    maps = IDENTITY
    for _ in range(4):
        maps = maps.conv(7, padding=3).pool(2, ceil=True)
    assert maps.receptive_field == 106


# A slow oracle: every output is a set of pixels.

Map = list[frozenset[int]]
Step = tuple[Callable[[Geometry], Geometry], Callable[[Map], Map]]


def window(cells: Map, places: list[int]) -> frozenset[int]:
    return frozenset().union(*(cells[place] for place in places if 0 <= place < len(cells)))


def conv_sets(cells: Map, kernel: int, stride: int, padding: int, dilation: int) -> Map:
    count = (len(cells) + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    starts = [stride * o - padding for o in range(max(0, count))]
    return [window(cells, [start + dilation * tap for tap in range(kernel)]) for start in starts]


def pool_sets(cells: Map, kernel: int, stride: int, padding: int, ceil: bool) -> Map:
    room = len(cells) + 2 * padding - kernel
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= len(cells) + padding:
        count -= 1
    starts = [stride * o - padding for o in range(max(0, count))]
    return [window(cells, [start + tap for tap in range(kernel)]) for start in starts]


def transposed_sets(cells: Map, kernel: int, stride: int, padding: int, dilation: int, extra: int) -> Map:
    result = [set[int]() for _ in range((len(cells) - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1)]
    for i, cell in enumerate(cells):
        for tap in range(kernel):
            place = stride * i - padding + dilation * tap
            if 0 <= place < len(result):
                result[place] |= cell
    return [frozenset(cell) for cell in result]


def bilinear_sets(cells: Map, factor: int) -> Map:
    result = []
    for output in range(factor * len(cells)):
        at = max(Fraction(0), Fraction(2 * output + 1, 2 * factor) - Fraction(1, 2))
        below = at.numerator // at.denominator
        result.append(window(cells, [below] if at == below else [below, min(below + 1, len(cells) - 1)]))
    return result


def pad_sets(cells: Map, before: int, after: int) -> Map:
    cells = [frozenset()] * before + cells if before >= 0 else cells[-before:]
    return cells + [frozenset()] * after if after >= 0 else cells[:after]


def random_step(rng: random.Random) -> Step:
    kernel, stride = rng.randint(1, 5), rng.randint(1, 3)
    padding, dilation, ceil = rng.randint(0, kernel // 2), rng.randint(1, 3), rng.random() < 0.5
    kind = rng.choice(["conv", "conv", "pool", "transposed", "nearest", "bilinear", "pad"])
    if kind == "conv":
        return (
            lambda g: g.conv(kernel, stride=stride, padding=padding, dilation=dilation),
            lambda cells: conv_sets(cells, kernel, stride, padding, dilation),
        )
    if kind == "pool":
        return (
            lambda g: g.pool(kernel, stride=stride, padding=padding, ceil=ceil),
            lambda cells: pool_sets(cells, kernel, stride, padding, ceil),
        )
    if kind == "transposed":  # wide enough that every output meets a tap
        wide, extra = stride * rng.randint(1, 3) + rng.randint(0, 1), rng.randint(0, stride - 1)
        cut = rng.randint(0, (wide - 1) // 2)
        return (
            lambda g: g.transposed(wide, stride=stride, padding=cut, output_padding=extra),
            lambda cells: transposed_sets(cells, wide, stride, cut, 1, extra),
        )
    if kind == "nearest":
        return lambda g: g.nearest(stride), lambda cells: [cell for cell in cells for _ in range(stride)]
    if kind == "bilinear":
        return lambda g: g.bilinear(stride), lambda cells: bilinear_sets(cells, stride)
    before, after = rng.randint(0, 3), rng.randint(0, 3)
    return lambda g: g.pad(before, after), lambda cells: pad_sets(cells, before, after)


def random_branch(rng: random.Random) -> Step:
    """A part that keeps the stride: pooled and enlarged again, or a convolution, and cropped somewhat."""
    factor, crop = rng.randint(1, 3), rng.randint(0, 2)
    up = rng.choice(["nearest", "bilinear", "transposed"])

    def geometry(base: Geometry) -> Geometry:
        low = base.pool(factor)
        high = {
            "nearest": lambda: low.nearest(factor),
            "bilinear": lambda: low.bilinear(factor),
            "transposed": lambda: low.transposed(2 * factor, stride=factor, padding=factor // 2),
        }[up]()
        return high.conv(3, padding=1).pad(-crop, -crop)

    def sets(cells: Map) -> Map:
        low = pool_sets(cells, factor, factor, 0, False)
        high = {
            "nearest": lambda: [cell for cell in low for _ in range(factor)],
            "bilinear": lambda: bilinear_sets(low, factor),
            "transposed": lambda: transposed_sets(low, 2 * factor, factor, factor // 2, 1, 0),
        }[up]()
        return pad_sets(conv_sets(high, 3, 1, 1, 1), -crop, -crop)

    return geometry, sets


def compare(geometry: Geometry, cells: Map, size: int) -> int:
    """Hold declared reads against sets: never less, and exact where they lie inside; count the exact ones."""
    exact = 0
    for output, pixels in enumerate(cells):
        first, last = geometry.reads(output)
        if not pixels:
            continue
        assert first <= min(pixels)
        assert max(pixels) <= last
        assert geometry.low is not None
        assert geometry.high is not None
        base = (geometry.stride * output).__floor__()
        assert base + geometry.low <= first
        assert last <= base + geometry.high
        if first >= 0 and last < size:
            exact += 1
            assert (min(pixels), max(pixels)) == (first, last), output
    return exact


@pytest.mark.parametrize("seed", range(60))
def test_chains_read_what_sets_of_pixels_say(seed: int) -> None:
    rng = random.Random(seed)
    steps = [random_step(rng) for _ in range(rng.randint(1, 6))]
    geometry = IDENTITY
    for change, _ in steps:
        geometry = change(geometry)
    exact = 0
    for size in range(90, 90 + 2 * min(geometry.period, 12) + 1):
        cells: Map = [frozenset([pixel]) for pixel in range(size)]
        for _, push in steps:
            cells = push(cells) if cells else []
        if cells:  # else a kernel was larger than its map
            assert geometry.output_size(size) == len(cells), size
        exact += compare(geometry, cells, size)
    assert exact or (geometry.receptive_field or 0) > 45


@pytest.mark.parametrize("seed", range(40))
def test_joins_read_what_either_branch_reads(seed: int) -> None:
    rng = random.Random(seed)
    stem, after = random_step(rng), random_step(rng)
    branches = [random_branch(rng) for _ in range(rng.randint(1, 3))]
    base = stem[0](IDENTITY)
    geometry = base.join(*(change(base) for change, _ in branches))
    size = 120
    cells = stem[1]([frozenset([pixel]) for pixel in range(size)])
    maps = [cells, *(push(cells) for _, push in branches)]
    joined = [frozenset().union(*row) for row in zip(*maps, strict=False)]
    assert geometry.output_size(size) == len(joined)
    for output, pixels in enumerate(joined):
        first, last = geometry.reads(output)
        assert not pixels or (first <= min(pixels) and max(pixels) <= last)
    exact = compare(after[0](geometry), after[1](joined), size)
    assert exact or (geometry.receptive_field or 0) > 30


@pytest.mark.parametrize("seed", range(20))
def test_input_size_is_the_least_that_gives_the_outputs(seed: int) -> None:
    rng = random.Random(seed)
    geometry = IDENTITY
    for _ in range(4):
        geometry = random_step(rng)[0](geometry)
    for outputs in range(1, 30):
        size = geometry.input_size(outputs)
        if size < 1:
            continue
        assert geometry.output_size(size) >= outputs
        assert size == 1 or geometry.output_size(size - 1) < outputs


def test_sparse_transposed_convolutions_never_read_more_than_declared() -> None:
    for kernel, stride, dilation in ((1, 2, 1), (1, 3, 1), (3, 2, 2), (2, 3, 3)):
        geometry = IDENTITY.transposed(kernel, stride=stride, dilation=dilation)
        cells = transposed_sets([frozenset([i]) for i in range(20)], kernel, stride, 0, dilation, 0)
        assert geometry.output_size(20) == len(cells)
        for output, pixels in enumerate(cells):
            first, last = geometry.reads(output)
            assert not pixels or (first <= min(pixels) and max(pixels) <= last)


def test_interpolation_between_cells_on_pixels_0_8_16() -> None:
    geometry = IDENTITY.pool(8).bilinear(8, first=0)
    assert [geometry.reads(y) for y in (8, 9, 15, 16)] == [(8, 15), (8, 23), (8, 23), (16, 23)]


def test_context_and_halo_are_what_a_block_reads_beyond_itself() -> None:
    for geometry in (IDENTITY.conv(7, padding=3), vgg16()[-1].bilinear(32), unet2015()[1]):
        period, margin = geometry.period, geometry.margin
        outputs = period  # of stride 1
        first, last = geometry.reads(10 * outputs, 11 * outputs - 1)
        # Output y of an unpadded network lies on pixel y + margin.
        before, after = 10 * period + margin - first, last - (11 * period - 1 + margin)
        assert geometry.context == max(before, after)
        assert geometry.halo is not None
        assert geometry.halo % period == 0
        assert 0 <= geometry.halo - max(before, after) < period
    assert IDENTITY.conv(7, padding=3).context == 3
    assert vgg16()[-1].bilinear(32).context == 90 + 32  # bilinear reads one more cell at either side


def test_the_whole_picture_stays_whole() -> None:
    whole = IDENTITY.conv(3, stride=2, padding=1).see_whole()
    for geometry in (whole.conv(3), IDENTITY.conv(3, stride=2).join(whole), whole.same_size(), whole.nearest(2)):
        assert geometry.whole
        assert (geometry.low, geometry.receptive_field, geometry.context, geometry.halo) == (None,) * 4
    assert whole.stride == 2
    with pytest.raises(SettingError, match="whole picture"):
        whole.reads(0)


def test_sizes_that_a_network_computes_on() -> None:
    geometry = Geometry(1, -10, 10, 32)
    assert [geometry.padded_size(size) for size in (1, 64, 65, 97)] == [64, 64, 96, 128]
    with pytest.raises(SettingError, match="at least 1"):
        geometry.padded_size(0)
    assert Geometry(1, -10, 10, 32).legal_sizes == (1, 1)


def test_sizes_grow_to_the_least_that_a_network_computes_on() -> None:
    geometry = Geometry(1, None, None, 32, least=75)  # Inception-v3 gives nothing below
    assert geometry.smallest == 96
    assert [geometry.padded_size(size) for size in (1, 75, 96, 97)] == [96, 96, 96, 128]
    assert geometry.see_whole() == geometry, "what is said of sizes stays"
    assert Geometry(1, None, None, 32, least=33).smallest == 64


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((0, 0, 0), "positive"),
        ((1, 0, 0, 0), "positive"),
        ((1, 3, 2), "rise"),
        ((1, None, 2), "both None"),
        ((Fraction(3, 2), 0, 0, 1), "multiple"),
    ],
)
def test_numbers_that_make_no_sense(arguments: tuple[int, ...], reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        Geometry(*arguments)


def test_branches_of_different_strides_do_not_join() -> None:
    with pytest.raises(SettingError, match="one stride, got 2, 3"):
        IDENTITY.pool(2).join(IDENTITY.pool(3))


def test_by_hand() -> None:
    geometry = Geometry(4, -3, 6)
    assert geometry.phases == (Phase(-3, 6, 0),)
    assert (geometry.receptive_field, geometry.reads(2), geometry.center) == (10, (5, 14), Fraction(3, 2))
    assert Geometry(3, 0, 0, 2).period == 6


def test_the_examples_of_the_documentation() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "geometry.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 10
    assert not failed
