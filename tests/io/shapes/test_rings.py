from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pixelwise.io.shapes.rings import NO_REGION, Region, trace_regions

SEEDS = range(12)


def random_labels(seed: int) -> np.ndarray:
    """Blobs, stripes and noise of 1 to 4 labels, sizes 1 to 40, some pixels outside."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 41, 2)
    labels = generator.integers(0, 1 + seed % 4, (height, width))
    if seed % 3 == 1:
        labels = ndimage.median_filter(labels, 3)
    if seed % 2:
        labels[generator.random((height, width)) < 0.1] = NO_REGION
    return labels


def traced(labels: np.ndarray, rows: int = 1000) -> list[Region]:
    bands = (labels[top : top + rows] for top in range(0, len(labels), rows))
    return list(trace_regions(bands, labels.shape[1]))


def inside(ring: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Slow oracle: pixels whose middles have an odd number of vertical edges of the ring to their left."""
    crossings = np.zeros(shape, int)
    for (x, y), (next_x, next_y) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if x == next_x:
            crossings[min(y, next_y) : max(y, next_y), x:] += 1
    return crossings % 2 == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_regions_are_the_components_of_each_label(seed: int, rows: int) -> None:
    labels = random_labels(seed)
    expected = set()
    for label in np.unique(labels[labels != NO_REGION]):
        components, count = ndimage.label(labels == label)  # connected by sides
        expected |= {(int(label), (components == k).tobytes()) for k in range(1, count + 1)}
    found = set()
    for region in traced(labels, rows):
        pixels = inside(region.shell, labels.shape)
        for hole in region.holes:
            enclosed = inside(hole, labels.shape)
            assert (pixels & enclosed).sum() == enclosed.sum(), "a hole lies inside its shell and outside other holes"
            pixels &= ~enclosed
        assert region.pixels == pixels.sum()
        found.add((region.label, pixels.tobytes()))
    assert found == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_rings_are_simple_turn_at_every_point_and_go_round_the_right_way(seed: int) -> None:
    for region in traced(random_labels(seed)):
        for ring, sign in [(region.shell, 1), *((hole, -1) for hole in region.holes)]:
            assert len({tuple(point) for point in ring}) == len(ring) >= 4
            step = np.roll(ring, -1, axis=0) - ring
            before = np.roll(step, 1, axis=0)
            assert ((step == 0).sum(1) == 1).all(), "every edge is level or upright"
            assert ((step == 0) != (before == 0)).all(), "no point lies on a straight line"
            x, y = ring.T
            assert np.sign((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) == sign


@pytest.mark.parametrize("seed", SEEDS)
def test_bands_do_not_change_what_is_found(seed: int) -> None:
    labels = random_labels(seed)
    whole = traced(labels)
    for rows in (1, 2, 7):
        for one, other in zip(traced(labels, rows), whole, strict=True):
            assert (one.label, one.pixels) == (other.label, other.pixels)
            np.testing.assert_array_equal(one.shell, other.shell)


def test_a_hole_that_touches_the_outer_edge_at_a_corner() -> None:
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    ring = next(region for region in traced(labels) if region.label == 1)
    assert ring.pixels == 7
    assert len(ring.holes) == 1
    assert {tuple(point) for point in ring.holes[0]} == {(1, 1), (2, 1), (2, 2), (1, 2)}
    assert {tuple(point) for point in ring.shell} == {(0, 0), (3, 0), (3, 2), (2, 2), (2, 3), (0, 3)}


def test_a_spiral_is_one_region() -> None:
    rows = ["1111111", "1000001", "1011101", "1010101", "1010001", "1011111", "1000000"]
    labels = np.array([[int(digit) for digit in row] for row in rows])
    regions = traced(labels)
    assert sorted((region.label, region.pixels, len(region.holes)) for region in regions) == [(0, 21, 0), (1, 28, 0)]


def test_memory_does_not_follow_the_pixels() -> None:
    """Three thousand rows of closed squares leave nothing behind."""
    import tracemalloc

    band = np.zeros((10, 64), np.int32)
    band[2:8] = np.arange(64) // 8 % 2
    band[band == 0] = NO_REGION

    def peak(bands: int) -> int:
        tracemalloc.start()
        assert sum(region.pixels for region in trace_regions((band for _ in range(bands)), 64)) == bands * 6 * 32
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(300) < peak(30) + 20_000
