from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.data.pairs import Pair
from pixelwise.data.splits import carve


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
