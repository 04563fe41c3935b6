from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.data.pairs import Pair
from pixelwise.data.splits import carve, same_pictures


def pairs(count: int) -> tuple[Pair, ...]:
    return tuple(Pair(f"{number}.png", Path(f"{number}.png"), None) for number in range(count))


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.99])
@pytest.mark.parametrize("count", [2, 3, 10, 500])
def test_both_parts_have_something_and_nothing_is_lost(fraction: float, count: int) -> None:
    for seed in range(5):
        rest, carved = carve(pairs(count), fraction, seed)
        assert rest
        assert carved
        assert sorted(rest + carved, key=lambda pair: pair.id) == sorted(pairs(count), key=lambda pair: pair.id)
        if count == 500:
            assert abs(len(carved) / count - fraction) < 0.08


def test_one_picture_stays_whole() -> None:
    assert sum(map(len, carve(pairs(1), 0.2, 0))) == 1


def test_the_division_is_the_same_everywhere() -> None:
    assert [pair.id for pair in carve(pairs(12), 0.2, 0)[1]] == ["2.png", "6.png"]


def test_copies_stay_in_one_part(tmp_path: Path) -> None:
    contents = [bytes([number % 9]) * 70000 for number in range(30)]
    contents[29] = contents[29][:-1] + b"!"  # as long and beginning alike, but another picture
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.png").write_bytes(content)
    every = tuple(Pair(f"{number}.png", tmp_path / f"{number}.png", None) for number in range(30))
    copies = same_pictures(every)
    assert sorted(map(len, copies)) == [3] * 7 + [4] * 2
    for seed in range(9):
        rest, carved = carve(every, 0.2, seed, together=copies)
        assert rest
        assert carved
        names = {pair.id for pair in carved}
        assert all(names.issuperset(ids) or names.isdisjoint(ids) for ids in copies)


def test_a_picture_that_is_most_of_the_set_is_learnt() -> None:
    copies = [[f"{number}.png" for number in range(8)]]
    for seed in range(9):
        _, carved = carve(pairs(10), 0.2, seed, together=copies)
        assert {pair.id for pair in carved} <= {"8.png", "9.png"}
        assert carved
