"""The budget of what is kept in memory, whatever it is."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelwise.data.crops.budgeted import BudgetedCache


class Squares(BudgetedCache[NDArray[np.uint8]]):
    """Item k is k * k, 10 (k + 1) times."""

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(5, budget_bytes)
        self.made: list[int] = []

    def _make(self, index: int) -> NDArray[np.uint8]:
        self.made.append(index)
        return np.full(10 * (index + 1), index * index, np.uint8)


@pytest.mark.parametrize(
    ("budget", "kept"), [(0, []), (9, []), (10, [0]), (69, [0, 1, 2]), (70, [0, 1, 3]), (150, None)]
)
def test_what_was_made_first_stays_as_far_as_it_fits(budget: int, kept: list[int] | None) -> None:
    cache = Squares(budget)
    asked = [0, 1, 3, 2, 4] if budget == 70 else [0, 1, 2, 3, 4]
    for _ in range(2):
        assert [int(cache[index][0]) for index in asked] == [index * index for index in asked]
    kept = asked if kept is None else kept
    assert cache.kept == len(kept)
    assert sorted(cache.made) == sorted(asked + [index for index in asked if index not in kept])


def test_an_item_that_two_threads_make_is_counted_once() -> None:
    cache = Squares(150)
    with ThreadPoolExecutor(8) as pool:
        assert [int(item[0]) for item in pool.map(lambda k: cache[k % 5], range(200))] == [0, 1, 4, 9, 16] * 40
    assert cache.kept == 5
    cache.made.clear()
    cache.warm()
    assert not cache.made


def test_a_copy_for_another_process_holds_nothing_and_has_the_whole_budget() -> None:
    cache = Squares(150)
    cache.warm()
    copy = pickle.loads(pickle.dumps(cache))
    assert (len(copy), copy.kept, copy.budget_bytes) == (5, 0, 150)
    copy.warm()
    assert copy.kept == 5
