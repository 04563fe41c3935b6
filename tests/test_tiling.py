"""Tiles are pure arithmetic: they cover the picture once, lie on the period, and carry what outputs read."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.errors import SettingError
from pixelwise.geometry import Geometry
from pixelwise.tiling import PixelCost, TilePlan, choose_tiles, plan_tiles


def unet_like(levels: int = 3) -> Geometry:
    """A padded U-Net: two convolutions a level, pooling, nearest upsampling, skips."""
    geometry, skips = Geometry.identity(), []
    for _ in range(levels):
        geometry = geometry.conv(3, padding=1).conv(3, padding=1)
        skips.append(geometry)
        geometry = geometry.pool(2)
    geometry = geometry.conv(3, padding=1)
    for skip in reversed(skips):
        geometry = geometry.nearest(2).join(skip).conv(3, padding=1)
    return geometry


def valid_unet() -> Geometry:
    """The same with unpadded convolutions."""
    skip = Geometry.identity().conv(3).conv(3)
    deep = skip.pool(2).conv(3).transposed(2, stride=2)
    crop = (skip.output_size(188) - deep.output_size(188)) // 2
    return deep.join(skip.pad(-crop, -crop)).conv(3)


GEOMETRIES = {
    "unet": unet_like(),
    "valid": valid_unet(),
    "pointwise": Geometry(1, 0, 0),
    "wide": Geometry(1, -70, 40, 16),
}


@pytest.mark.parametrize("tile", [1, 7, 32, 100, (48, 13), 1000])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (97, 131), (256, 64)])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_windows_are_disjoint_and_cover_the_picture(
    name: str, size: tuple[int, int], tile: int | tuple[int, int]
) -> None:
    seen = np.zeros(size, int)
    for piece in plan_tiles(size, tile, GEOMETRIES[name]):
        seen[piece.write] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("tile", [16, 50, 64])
@pytest.mark.parametrize("name", ["unet", "pointwise", "wide"])
def test_padded_networks_are_shown_whole_periods_and_all_they_read(name: str, tile: int) -> None:
    geometry, size = GEOMETRIES[name], (333, 129)
    for piece in plan_tiles(size, tile, geometry):
        for read, write, side in zip(piece.read, piece.write, size, strict=True):
            padded = geometry.padded_size(side)
            first, last = geometry.reads(write.start, write.stop - 1)
            assert read.start % geometry.period == 0
            assert read.stop % geometry.period == 0
            assert 0 <= read.start <= max(0, first)
            assert min(padded, last + 1) <= read.stop <= padded
            assert read.stop - read.start >= 2 * geometry.period


def test_exact_tiles_carry_no_period_too_much() -> None:
    geometry = GEOMETRIES["unet"]
    (piece,) = [p for p in plan_tiles((1600, 1600), 64, geometry) if p.write == (slice(640, 704), slice(640, 704))]
    first, last = geometry.reads(640, 703)
    assert first - geometry.period < piece.read[0].start <= first
    assert last + 1 <= piece.read[0].stop < last + 1 + geometry.period


@pytest.mark.parametrize("tile", [8, 30, 64])
def test_unpadded_networks_are_shown_a_legal_size_whose_output_holds_the_window(tile: int) -> None:
    geometry, size = GEOMETRIES["valid"], (75, 41)
    for piece in plan_tiles(size, tile, geometry):
        for read, write in zip(piece.read, piece.write, strict=True):
            length = read.stop - read.start
            start = read.start + geometry.margin  # where the output of this piece begins in the picture
            assert start % geometry.period == 0
            assert geometry.input_size(geometry.output_size(length)) == length
            assert start <= write.start
            assert write.stop <= start + geometry.output_size(length)


def test_a_halo_may_be_given() -> None:
    pieces = list(plan_tiles((640, 640), 64, GEOMETRIES["unet"], halo=8))
    inner = [p for p in pieces if p.write == (slice(320, 384), slice(128, 192))]
    assert inner[0].read == (slice(312, 392), slice(120, 200))


def test_what_cannot_be_is_refused() -> None:
    whole = Geometry(1, None, None, 32)
    with pytest.raises(SettingError, match="sees the whole picture"):
        plan_tiles((100, 100), 64, whole)
    assert len(list(plan_tiles((100, 100), 128, whole))) == 1
    assert len(list(plan_tiles((100, 100), 64, whole, halo=32))) == 4
    for size, tile, halo in (((0, 5), 4, None), ((5, 5), 0, None), ((5, 5), 4, -1)):
        with pytest.raises(SettingError):
            plan_tiles(size, tile, GEOMETRIES["unet"], halo=halo)


def choose(size: tuple[int, int], geometry: Geometry, **options: object) -> TilePlan:
    return choose_tiles(size, geometry, **{"cost": PixelCost.even(100), "memory": 100 * 400**2, **options})  # type: ignore[arg-type]


def test_a_picture_that_fits_is_one_tile_for_every_network() -> None:
    for geometry in (*GEOMETRIES.values(), Geometry(1, None, None, 32)):
        plan = choose((300, 350), geometry)
        assert len(plan) == 1
        assert plan.exact
        assert plan.cost == 1


def test_tiles_fit_into_the_memory() -> None:
    for mode in ("exact", "fast"):
        for geometry in (GEOMETRIES["unet"], GEOMETRIES["wide"], GEOMETRIES["valid"]):
            plan = choose((5000, 3000), geometry, mode=mode)
            largest = max((t.read[0].stop - t.read[0].start) * (t.read[1].stop - t.read[1].start) for t in plan)
            assert largest * 100 <= 100 * 400**2
            assert len(plan) == len(list(plan))


def test_tiles_follow_the_memory_and_not_the_picture() -> None:
    for options in ({"mode": "exact"}, {"mode": "fast", "fast_halo": 64}):
        small, large = (choose((side, side), GEOMETRIES["unet"], **options) for side in (8000, 40000))
        assert small.tile == large.tile
        assert choose((8000, 8000), GEOMETRIES["unet"], memory=100 * 800**2, **options).tile > small.tile


def test_fast_tiles_carry_the_halo_that_was_measured() -> None:
    far = Geometry(1, -180, 180, 32)
    for asked, halo in ((32, 32), (33, 64), (150, 160), (500, far.context)):
        plan = choose((5000, 5000), far, mode="fast", memory=100 * 2000**2, fast_halo=asked)
        assert (plan.halo, plan.exact) == (halo, asked == 500)


def test_a_halo_that_costs_less_leaves_room_for_larger_tiles() -> None:
    geometry, options = Geometry(1, -180, 180, 32), {"mode": "fast", "memory": 100 * 1000**2}
    even = choose((5000, 5000), geometry, **options)
    lean = choose((5000, 5000), geometry, **options, cost=PixelCost(100, 60, 20, 0.4))
    assert lean.tile > even.tile
    assert lean.cost < even.cost
    input_side, ended = lean.tile[0] + 2 * 96, lean.tile[0] + 2 * 32
    assert 60 * input_side**2 <= 100 * 1000**2
    assert 100 * ended**2 + 20 * (input_side**2 - ended**2) <= 100 * 1000**2
    # One period more would not fit.
    input_side, ended = input_side + 32, ended + 32
    assert max(60 * input_side**2, 100 * ended**2 + 20 * (input_side**2 - ended**2)) > 100 * 1000**2
    assert PixelCost(100, 60, 20, 0.4).memory(input_side, ended) > 100 * 1000**2


def test_cost_is_the_arithmetic_over_that_of_the_whole() -> None:
    geometry = GEOMETRIES["wide"]
    plan = choose((1600, 1600), geometry, mode="exact", tile=160)
    read = sum((t.read[0].stop - t.read[0].start) * (t.read[1].stop - t.read[1].start) for t in plan)
    assert plan.cost == pytest.approx(read / 1600**2)
    assert plan.cost > 1.5


def test_auto_takes_exact_tiles_where_they_cost_little() -> None:
    assert choose((5000, 5000), GEOMETRIES["unet"]).exact
    far = Geometry(1, -180, 180, 32)
    plan = choose((5000, 5000), far)
    assert not plan.exact
    assert plan.halo == 96
    assert "would cost" in plan.reason or "do not fit" in plan.reason
    assert choose((5000, 5000), far, mode="exact", memory=100 * 2000**2).exact


def test_exact_mode_says_why_it_cannot() -> None:
    with pytest.raises(SettingError, match="sees the whole picture"):
        choose((5000, 5000), Geometry(1, None, None, 32), mode="exact")
    with pytest.raises(SettingError, match="memory: exact tiles need"):
        choose((5000, 5000), Geometry(1, -500, 500, 32), mode="exact")
    with pytest.raises(SettingError, match="mode"):
        choose((50, 50), GEOMETRIES["unet"], mode="quick")


def test_a_short_reach_makes_fast_tiles_exact() -> None:
    plan = choose((5000, 5000), GEOMETRIES["unet"], mode="fast")
    assert plan.exact


def test_tiles_do_not_depend_on_anything_but_the_arguments() -> None:
    assert choose((5000, 3000), GEOMETRIES["unet"]) == choose((5000, 3000), GEOMETRIES["unet"])


def test_a_memory_that_no_tile_fits_into_is_told() -> None:
    far = Geometry(1, -180, 180, 32)
    plan = choose((5000, 5000), far, mode="fast", memory=100 * 150**2)
    assert plan.tile == (32, 32)
    assert "takes about 5 MiB, more than the 2.1" in plan.reason  # (32 + 2 * 96) squared times 100 bytes
    assert "asked for" not in choose((5000, 5000), far).reason


def test_a_memory_below_the_smallest_picture_is_refused() -> None:
    with pytest.raises(SettingError, match="smallest picture"):
        choose((5000, 5000), Geometry(1, -180, 180, 32), cost=PixelCost.even(2000), memory=1 << 20)
