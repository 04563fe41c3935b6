"""Which pictures are drawn, of the set and of each class, and what is drawn of one class."""

from __future__ import annotations

import numpy as np

from pixelwise.metrics.scores import Scores
from pixelwise.scoring.choosing import MOST_OF_CLASSES, choose_examples
from pixelwise.scoring.keeping import Budget, PackedConfidence
from pixelwise.scoring.pixel_comparison import PixelComparison
from pixelwise.scoring.pixel_drawing import FOUND_COLOR, MISSED_COLOR, WRONG_COLOR, draw_pixels, paint_confidence
from pixelwise.scoring.pixel_judge import describe_picture
from pixelwise.scoring.pixel_tables import pixel_evaluation
from pixelwise.types import LabelSpace

SPACE = LabelSpace.of(3)


def evaluation(counts: list[np.ndarray], space: LabelSpace = SPACE):
    pictures = [PixelComparison(f"{number}.png", (4, 6), one) for number, one in enumerate(counts)]
    return pixel_evaluation(Scores.from_counts(sum(counts), space, images=len(counts)), pictures, space)


def test_pictures_of_a_class_are_those_with_the_most_pixels_missed_or_taken_for_it() -> None:
    rng = np.random.default_rng(0)
    counts = [rng.integers(0, 50, (3, 3)) for _ in range(9)]
    counts[4][:, 1] = counts[4][1] = 0
    found = evaluation(counts).class_ranking
    for index, name in enumerate(SPACE.names):
        errors = {}
        for number, one in enumerate(counts):
            wrong = sum(int(one[t, p]) for t in range(3) for p in range(3) if t != p and index in (t, p))
            if wrong:
                errors[number] = wrong
        assert [errors[place] for place in found[name]] == sorted(errors.values(), reverse=True)
        assert set(found[name]) == set(errors)


def test_each_class_has_three_pictures_after_those_of_the_set() -> None:
    rng = np.random.default_rng(1)
    chosen = choose_examples(evaluation([rng.integers(1, 50, (3, 3)) for _ in range(9)]))
    assert [one.group for one in chosen[:6]] == ["Worst"] * 2 + ["Median"] * 2 + ["Best"] * 2
    assert all(one.focus is None for one in chosen[:6])
    assert [one.focus for one in chosen[6:]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert chosen[6].group == f"{SPACE.names[0]}: most errors"


def test_many_classes_share_the_pictures_and_the_lowest_scores_keep_theirs() -> None:
    classes = MOST_OF_CLASSES + 10
    space = LabelSpace.of(classes)
    counts = np.diag(np.arange(1, classes + 1)) + 0
    counts[:, 0] += 1
    chosen = [one for one in choose_examples(evaluation([counts], space)) if one.focus is not None]
    assert len(chosen) == MOST_OF_CLASSES
    assert {one.focus for one in chosen} == set(range(MOST_OF_CLASSES))


def test_errors_of_one_class_are_found_missed_and_taken_for_it() -> None:
    image = np.full((2, 4, 3), 80, np.uint8)
    mask = np.array([[1, 1, 0, 0], [255, 2, 2, 2]], np.uint8)
    labels = np.array([[1, 0, 1, 2], [1, 2, 0, 2]], np.uint8)
    drawn = draw_pixels("x", image, mask, labels, SPACE, focus=1)
    assert drawn.errors[0, 1].tolist() == list(MISSED_COLOR)
    assert drawn.errors[0, 2].tolist() == list(WRONG_COLOR)
    assert [name for name, _ in drawn.key] == ["found", "missed", "taken for it"]
    grey = drawn.errors[1, 1]
    np.testing.assert_array_equal(drawn.errors[0, 0], (0.5 * grey + 0.5 * np.array(FOUND_COLOR)).astype(np.uint8))
    for at in ((0, 3), (1, 0), (1, 1), (1, 2), (1, 3)):  # other classes and ignored pixels
        assert np.ptp(drawn.errors[at]) == 0


def test_words_for_one_class_state_its_own_figures() -> None:
    counts = np.array([[5, 2, 0], [1200, 7, 1], [0, 3, 9]])
    assert describe_picture(counts, SPACE, 1) == "IoU of class 1 0.006 · 1,201 pixels missed · 5 taken for it"


def test_confidence_is_kept_to_a_255th_and_missing_rows_are_those_before() -> None:
    sure = np.random.default_rng(0).uniform(0.2, 1, (9, 5)).astype(np.float32)
    sure[[1, 2, 4, 5, 7, 8]] = np.nan
    kept = PackedConfidence.of(sure).unpack()
    np.testing.assert_allclose(kept, sure[[0, 0, 0, 3, 3, 3, 6, 6, 6]], atol=0.5 / 255 + 1e-6)
    assert PackedConfidence.of(np.ones((100, 3000), np.float32)).unpack().shape == (34, 1024)
    assert Budget(0).confidence(sure) is None
    assert Budget().confidence(None) is None


def test_certain_pixels_are_dark_and_doubtful_ones_bright() -> None:
    painted = paint_confidence(np.array([[1.0, 0.5, 0.0]]), (1, 3)).astype(int).sum(2)[0]
    assert painted[0] < 20 < painted[1] < painted[2]
