from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pixelwise.data.object_survey import survey_objects
from pixelwise.data.pairs import Pair
from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.instances import Instances


@dataclass(frozen=True)
class Given:
    objects: Instances

    def read(self) -> Instances:
        return self.objects


def pair(name: str, boxes: list[list[float]], labels: list[int], crowd: list[bool] | None = None) -> Pair:
    objects = Instances((50, 50), np.array(labels), np.array(boxes, np.float32).reshape(-1, 4))
    if crowd is not None:
        objects = Instances((50, 50), objects.labels, objects.boxes, crowd=np.array(crowd))
    return Pair(name, Path(name), None, Given(objects))


def test_what_is_measured() -> None:
    first = pair("a", [[0, 0, 10, 40], [5, 5, 15, 15], [0, 0, 50, 50]], [0, 2, 1], [False, False, True])
    second = pair("b", [[1, 1, 31, 11]], [2])
    survey = survey_objects([first, second, pair("c", [], [])], 4)
    assert (survey.images, survey.of, survey.objects) == (3, 3, 3)
    assert survey.per_image_max == 2
    assert survey.class_objects == (1, 0, 2, 0)
    assert survey.sizes[3] == pytest.approx(300**0.5)
    assert survey.aspects[3] == 1
    assert survey.overlaps == (0,) * 7  # those that overlap are of other classes
    assert not survey.masks


def test_boxes_overlap_with_their_own_class_and_picture() -> None:
    boxes = [[0, 0, 10, 10], [5, 0, 15, 10], [12, 0, 22, 10], [0, 0, 10, 10]]
    survey = survey_objects([pair("a", boxes, [0, 0, 0, 1]), pair("b", [[0, 0, 10, 10]], [0])], 2)
    assert survey.overlaps[3] == pytest.approx(3 / 17)  # of 0, 0, 3/17, 1/3, 1/3
    assert survey.overlaps[-1] == pytest.approx(1 / 3)


def test_a_bound_on_pictures_takes_evenly_spread_ones() -> None:
    pairs = [pair(str(count), [[0, 0, 5, 5]] * count, [0] * count) for count in range(9)]
    survey = survey_objects(pairs, 1, pictures=3)
    assert (survey.images, survey.of) == (3, 9)
    assert survey.objects == 0 + 4 + 8


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(DataError, match="none of 1 picture has an object"):
        survey_objects([pair("a", [], [])], 1)
    with pytest.raises(DataError, match="no picture"):
        survey_objects([], 1)
    with pytest.raises(DataError, match=r"b\.png: no objects are annotated"):
        survey_objects([pair("a", [], []), Pair("b", Path("b.png"), None)], 1)


def test_the_nuclei(pictures: Path) -> None:
    survey = survey_objects(open_data(pictures / "nuclei").pairs, 1)
    assert survey.per_image_max == 375
    assert survey.class_objects == (survey.objects,)
    assert survey.masks
    assert 10 < survey.sizes[3] < 40
