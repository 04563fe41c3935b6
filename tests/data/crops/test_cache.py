from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.crops.cache import POSITIONS_PER_CLASS, PictureCache
from pixelwise.data.pairs import Pair
from pixelwise.errors import DataError
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("a", "b", "c"))
BYTES = 6 * 8 * 4  # of one picture with its mask


@pytest.fixture
def pairs(write: Any, image: Any, mask: Any) -> list[Pair]:
    return [
        Pair(f"{i}.png", write(f"images/{i}.png", image + np.uint8(i)), write(f"masks/{i}.png", mask)) for i in range(4)
    ]


def test_samples_are_what_the_files_hold(pairs: list[Pair], image: Any, mask: Any) -> None:
    cache = PictureCache(pairs, SPACE, budget_bytes=10**6)
    assert len(cache) == 4
    np.testing.assert_array_equal(cache[2].image, (image + np.uint8(2)).transpose(2, 0, 1))
    np.testing.assert_array_equal(cache[2].mask, mask)
    assert cache[2].id == "2.png"
    assert cache[2] is cache[2]


@pytest.mark.parametrize(("budget", "kept"), [(0, 0), (BYTES - 1, 0), (BYTES, 1), (3 * BYTES, 3), (10**6, 4)])
def test_the_budget_holds_and_all_pictures_are_there_anyway(
    pairs: list[Pair], image: Any, budget: int, kept: int
) -> None:
    cache = PictureCache(pairs, SPACE, budget_bytes=budget)
    calls: list[tuple[int, int]] = []
    cache.warm(lambda done, total: calls.append((done, total)))
    assert cache.kept == kept
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for index in range(4):
        np.testing.assert_array_equal(cache[index].image[0], image[..., 0] + np.uint8(index))


def test_a_warm_cache_needs_no_files(pairs: list[Pair]) -> None:
    cache = PictureCache(pairs, SPACE, budget_bytes=10**6)
    cache.warm()
    for pair in pairs:
        pair.image.unlink()
    assert [cache[index].id for index in range(4)] == ["0.png", "1.png", "2.png", "3.png"]


def test_many_threads_see_the_same(pairs: list[Pair]) -> None:
    cache = PictureCache(pairs, SPACE, budget_bytes=2 * BYTES)
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda k: cache[k % 4].id, range(200)))
    assert names == [f"{k % 4}.png" for k in range(200)]
    assert cache.kept == 2


def test_places_of_classes(pairs: list[Pair], mask: Any) -> None:
    places = PictureCache(pairs, SPACE, budget_bytes=0).class_places(0)
    assert places.pixels.tolist() == [int((mask == k).sum()) for k in range(3)]
    for index, positions in places.positions.items():
        np.testing.assert_array_equal(positions, np.flatnonzero(mask == index))


def test_places_are_spread_over_large_areas(write: Any) -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[:, 390:] = 255
    pair = Pair("a", write("a.png", np.zeros((300, 400, 3), np.uint8)), write("m.png", mask))
    places = PictureCache([pair], SPACE, budget_bytes=0).class_places(0)
    assert set(places.positions) == {0}  # neither classes that are absent nor ignored pixels
    rows = places.positions[0] // 400
    assert POSITIONS_PER_CLASS // 2 < len(rows) <= POSITIONS_PER_CLASS
    assert rows.min() < 3
    assert rows.max() > 296


def test_spawned_workers_decode_for_themselves(pairs: list[Pair]) -> None:
    cache = PictureCache(pairs, SPACE, budget_bytes=10**6)
    cache.warm()
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.kept == 0
    np.testing.assert_array_equal(copy[1].image, cache[1].image)
    assert copy.kept == 1


def test_faults_are_named(pairs: list[Pair], write: Any, image: Any, mask: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        PictureCache([], SPACE, budget_bytes=0)
    with pytest.raises(DataError, match=r"x\.png: the picture has no mask"):
        PictureCache([Pair("x", tmp_path / "x.png", None)], SPACE, budget_bytes=0)
    odd = PictureCache([Pair("x", pairs[0].image, write("odd.png", mask + np.uint8(9)))], SPACE, budget_bytes=0)
    with pytest.raises(DataError, match=r"odd\.png: the mask holds 9, 10, 11"):
        odd[0]
    small = PictureCache([Pair("x", pairs[0].image, write("small.png", mask[1:]))], SPACE, budget_bytes=0)
    with pytest.raises(DataError, match="mask is 5x8 but the image 6x8"):
        small.warm()
