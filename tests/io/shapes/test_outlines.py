"""Outlines go round masks exactly, and their length is that of the shape, not of its pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pixelwise.instances import BoxMask
from pixelwise.io.shapes.outlines import outline, perimeter
from pixelwise.io.shapes.rings import Region


def disc(radius: float, shift: float = 0.3) -> BoxMask:
    side = int(2 * radius) + 8
    y, x = np.mgrid[:side, :side]
    return BoxMask.of(np.hypot(y - side / 2 - shift, x - side / 2 + shift) < radius)


def filled(region: Region, size: tuple[int, int]) -> BoxMask:
    """Fill the rings of a region again."""
    corner, last = region.shell.min(0), region.shell.max(0)  # x and y
    width, height = (last - corner).tolist()
    turns = np.zeros((height + 1, width + 1), np.uint8)
    for ring in (region.shell, *region.holes):
        x, y = (ring - corner).T
        np.bitwise_xor.at(turns, (y, x), 1)
    # Each corner ends one vertical edge: parity down the columns gives these edges, along the rows what they enclose.
    np.bitwise_xor.accumulate(turns, axis=0, out=turns)
    np.bitwise_xor.accumulate(turns, axis=1, out=turns)
    return BoxMask(turns[:-1, :-1].view(np.bool_), int(corner[1]), int(corner[0]), size)


@pytest.mark.parametrize("seed", range(4))
def test_masks_come_back_from_their_outlines_with_holes_and_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = BoxMask(rng.random((13, 17)) < 0.6, 5, 9, (40, 50))
    parts = outline(mask)
    assert len(parts) > 1
    assert any(part.holes for part in parts)
    assert [part.pixels for part in parts] == sorted((part.pixels for part in parts), reverse=True)
    again = np.zeros(mask.size, np.bool_)
    for part in parts:
        traced = filled(part, mask.size)
        assert traced.area == part.pixels
        assert traced.overlap(mask) == part.pixels
        again[traced.window] |= traced.pixels
    np.testing.assert_array_equal(again, mask.full())


@pytest.mark.parametrize("radius", [10, 25, 60.5])
def test_the_perimeter_of_a_disc_is_that_of_its_circle(radius: float) -> None:
    assert perimeter(disc(radius)) == pytest.approx(2 * math.pi * radius, rel=0.025)


def test_the_outline_of_a_hole_counts() -> None:
    whole = disc(40).full()
    inner = np.zeros_like(whole)
    inner[34:54, 34:54] = True
    lengths = [perimeter(BoxMask.of(mask)) for mask in (whole, inner, whole & ~inner)]
    assert lengths[2] == pytest.approx(lengths[0] + lengths[1])


def test_small_and_empty_masks_have_finite_perimeters() -> None:
    assert perimeter(BoxMask(np.ones((1, 1), np.bool_), 0, 0, (3, 3))) == pytest.approx(
        math.pi / 8 * (4 + 4 / math.sqrt(2))
    )
    assert perimeter(BoxMask(np.zeros((0, 0), np.bool_), 0, 0, (3, 3))) == 0
