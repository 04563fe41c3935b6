"""The parts of labels that are read by bands are those of labels in memory."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.errors import DataError
from pixelwise.inference.components import objects_of
from pixelwise.inference.labelling.records import object_records
from pixelwise.inference.labelling.regions import RegionFinder, runs
from pixelwise.io.rasters.opening import open_source
from pixelwise.types import LabelSpace

WITH_BACKGROUND = LabelSpace(("leaf", "nothing", "stem"), background=1)
WITHOUT = LabelSpace(("a", "b", "c"))


def blotches(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Labels with regions of every size, lines of background two pixels wide between them, and ignored pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (size[0] // 4 + 1, size[1] // 4 + 1))
    labels = np.kron(coarse, np.ones((4, 4), int))[: size[0], : size[1]].astype(np.uint8)
    labels[rng.random(size) < 0.15] = 1
    labels[rng.random(size) < 0.02] = 255
    labels[:, ::9] = 1
    return labels


@pytest.mark.parametrize("space", [WITH_BACKGROUND, WITHOUT], ids=["background", "none"])
@pytest.mark.parametrize("rows", [2, 3, 7, 1000])
@pytest.mark.parametrize("min_area", [0, 6])
def test_bands_give_what_the_whole_gives(space: LabelSpace, rows: int, min_area: int) -> None:
    for seed, size in enumerate([(41, 53), (1, 30), (30, 1), (2, 2), (64, 9)]):
        labels = blotches(seed, size)
        finder = RegionFinder(open_source(labels, indices=True), space, min_area=min_area, band_pixels=rows * size[1])
        expected = list(object_records(objects_of(labels, space, min_area=max(1, min_area))))
        assert list(finder.records()) == expected
        assert len(finder.seeds()) == len(expected)


def test_parts_that_meet_late_are_one() -> None:
    labels = np.ones((40, 40), np.uint8)
    labels[:, 3], labels[:, 30], labels[39, 3:31] = 0, 0, 0  # two legs, joined by the last row alone
    (record,) = RegionFinder(open_source(labels, indices=True), WITH_BACKGROUND, band_pixels=80).records()
    assert (record.area, record.box) == (40 + 40 + 26, (3, 0, 31, 40))


def test_the_first_pixel_of_a_part_is_that_of_its_labels_before_lines_were_filled() -> None:
    labels = np.ones((6, 9), np.uint8)
    labels[2:5, 1:4], labels[2:5, 5:8] = 0, 0
    finder = RegionFinder(open_source(labels, indices=True), WITH_BACKGROUND)
    assert finder.seeds() == {(2, 1), (2, 5)}
    assert sum(record.area for record in finder.records()) > 9 + 9


def test_nothing_gives_nothing_and_a_value_that_is_no_class_is_named() -> None:
    nothing = np.ones((5, 5), np.uint8)
    assert list(RegionFinder(open_source(nothing, indices=True), WITH_BACKGROUND).records()) == []
    with pytest.raises(DataError, match="holds label 7"):
        RegionFinder(open_source(nothing * 7, indices=True), WITH_BACKGROUND)


def test_runs_are_those_a_person_would_read() -> None:
    found = runs(np.array([[0, 2, 2, 1], [1, 1, 0, 3]], np.int32))
    assert np.stack(found).T.tolist() == [[2, 0, 1, 3], [1, 0, 3, 4], [1, 1, 0, 2], [3, 1, 3, 4]]
