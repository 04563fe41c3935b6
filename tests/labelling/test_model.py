"""A model that proposes: its classes are found by name, and what it doubts is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.errors import SettingError
from pixelwise.inference import Predictor
from pixelwise.labelling.model import Doubts, ModelProposals
from pixelwise.labelling.project import Project
from pixelwise.models import SegmentationModel
from pixelwise.types import LabelSpace


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Callable[[LabelSpace, list[str] | None], Project]]:
    (tmp_path / "p").mkdir()
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, 8:16], image[:, 16:] = 128, 255
    Image.fromarray(image).save(tmp_path / "p" / "a.png")
    Image.fromarray(np.full((16, 24, 3), 64, np.uint8)).save(tmp_path / "p" / "b.png")  # between dark and middle
    opened: list[Project] = []

    def open_(space: LabelSpace, classes: list[str] | None) -> Project:
        opened.append(Project(tmp_path / "p", tmp_path / "out", classes=classes, model_space=space))
        return opened[-1]

    yield open_
    for project in opened:
        project.close()


Opening = Callable[[LabelSpace, list[str] | None], Project]


def test_classes_of_the_model_are_found_by_name(by_brightness: SegmentationModel, opening: Opening) -> None:
    predictor = Predictor(by_brightness)
    project = opening(predictor.label_space, ["bright", "dark", "more"])
    model = ModelProposals(predictor, project.space)
    assert model.unknown == ("middle",)
    labels = model.propose(project, next(iter(project.pictures)))
    assert labels.shape == (16, 24)
    assert (labels[:, :8] == 1).all()
    assert (labels[:, 8:16] == 255).all()
    assert (labels[:, 16:] == 0).all()


def test_the_classes_of_the_model_are_those_of_the_folder_unless_others_are_given(
    by_brightness: SegmentationModel, opening: Opening
) -> None:
    predictor = Predictor(by_brightness)
    project = opening(predictor.label_space, None)
    assert project.space.names == ("dark", "middle", "bright")
    assert project.space.colors == predictor.label_space.colors
    with pytest.raises(SettingError, match="model: it has the classes dark, middle, bright, and x, y are labelled"):
        ModelProposals(predictor, LabelSpace(("x", "y")))


def test_pictures_that_the_model_doubts_have_a_greater_number(
    by_brightness: SegmentationModel, opening: Opening
) -> None:
    predictor = Predictor(by_brightness)
    project = opening(predictor.label_space, None)
    doubts = Doubts(project, ModelProposals(predictor, project.space))
    doubts.start()
    doubts._thread.join(60)
    doubts.close()
    sure, unsure = (project.status[picture].doubt for picture in project.pictures)
    assert sure is not None
    assert unsure is not None
    assert 0 < sure < unsure < 1
    assert doubts.waiting == 0
