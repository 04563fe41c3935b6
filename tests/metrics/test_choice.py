"""What counts as an object, against a search over all there is to choose."""

import numpy as np
import pytest

from pixelwise.instances import Instances, ObjectRule
from pixelwise.metrics.choice import FEWEST_CHOOSING_OBJECTS, TRIED_SCORES, choose_min_area, choose_score
from pixelwise.metrics.compared import Compared, compare_objects
from pixelwise.metrics.objects import score_pictures
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("cell",))


def picture(seed: int, *, objects: int = 60, scored: bool = True) -> tuple[Instances, Instances]:
    """Squares on a grid, of which some are found; wrong ones have lower scores and fewer pixels, mostly."""
    random = np.random.default_rng(seed)
    ids = np.zeros((200, 200), np.int64)
    truth = np.zeros_like(ids)
    right = random.random(objects) < 0.7
    for number in range(objects):
        top, left = 20 * (number // 10), 20 * (number % 10)
        side = random.integers(6, 12)
        truth[top : top + side, left : left + side] = number + 1
        if right[number]:
            ids[top : top + side, left : left + side] = number + 1
        else:
            side = random.integers(1, 8)
            ids[top + 12 : top + 12 + side, left + 12 : left + 12 + side] = number + 1
    found = Instances.of_ids(ids)
    if scored:
        scores = np.where(right, random.normal(0.7, 0.15, objects), random.normal(0.4, 0.15, objects))
        found = Instances(
            found.size, found.labels, found.boxes, found.masks, scores.clip(0, 1).astype(np.float32).round(3)
        )
    return Instances.of_ids(truth), found


def figure(pictures: list[Compared], *, score: float = 0, area: float = 0) -> float:
    return score_pictures(pictures, SPACE, rule=ObjectRule(score, int(area))).ap50_tp_fp_fn


@pytest.mark.parametrize("seed", range(3))
def test_the_best_score_is_chosen(seed: int) -> None:
    pictures = [compare_objects(*picture(10 * seed + number), 1) for number in range(3)]
    chosen = choose_score(pictures, 0.5)
    figures = [figure(pictures, score=score) for score in TRIED_SCORES]
    assert figure(pictures, score=chosen) == max(figures)
    assert min(figures) < max(figures) > figure(pictures, score=0.05)
    assert chosen == pytest.approx(round(chosen, 2))


@pytest.mark.parametrize("seed", range(3))
def test_the_best_area_is_chosen(seed: int) -> None:
    pictures = [compare_objects(*picture(10 * seed + number, scored=False), 1) for number in range(3)]
    chosen = choose_min_area(pictures, 0)
    figures = [figure(pictures, area=area) for area in range(81)]
    assert figure(pictures, area=chosen) == max(figures)
    assert chosen > 0


def test_few_objects_choose_nothing() -> None:
    pictures = [compare_objects(*picture(1, objects=FEWEST_CHOOSING_OBJECTS - 1), 1)]
    assert choose_score(pictures, 0.5) == 0.5
    assert choose_min_area(pictures, 3) == 3
    empty = compare_objects(Instances.none((9, 9)), Instances.none((9, 9)), 1)
    assert (choose_score([empty], 0.4), choose_min_area([empty], 7)) == (0.4, 7)


def test_of_equally_good_ones_the_nearest_to_the_default_is_taken() -> None:
    truth, _ = picture(1)
    sure = Instances(truth.size, truth.labels, truth.boxes, truth.masks, np.full(len(truth), 0.8, np.float32))
    pictures = [compare_objects(truth, sure, 1)]
    assert choose_score(pictures, 0.5) == 0.5
    assert choose_score(pictures, 0.9) == 0.8
    assert choose_min_area(pictures, 0) == 0
