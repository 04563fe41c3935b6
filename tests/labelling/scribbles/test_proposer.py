"""Proposals from strokes: what is learnt, from which pictures, and what is said where something lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelwise.labelling.project import Project
from pixelwise.labelling.scribbles import proposer as module
from pixelwise.labelling.scribbles import teacher
from pixelwise.labelling.scribbles.pixels import compute_features
from pixelwise.labelling.scribbles.proposer import Proposer
from pixelwise.labelling.scribbles.teacher import Teacher, sample

pytest.importorskip("sklearn", reason="needs scikit-learn")

SIZE = (64, 96)


def discs(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture of bright discs on a dark ground, with noise, and where they are."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    truth = np.zeros(SIZE, np.uint8)
    for _ in range(6):
        y, x = rng.integers(8, 56), rng.integers(8, 88)
        truth[np.hypot(rows - y, columns - x) < 8] = 1
    image = 60 + 90 * truth[..., None] + rng.normal(0, 25, (*SIZE, 3))
    return image.clip(0, 255).astype(np.uint8), truth


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "p").mkdir()
    for number in range(3):
        Image.fromarray(discs(number)[0]).save(tmp_path / "p" / f"{number}.png")
    opened = Project(tmp_path / "p", tmp_path / "out", classes=["ground", "disc"])
    yield opened
    opened.close()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No encoder, which would take its time."""
    monkeypatch.setattr(module, "encoder_available", lambda: False)


def paint(project: Project, place: int, number: int, value: int | None, *points: float) -> str:
    picture = list(project.pictures)[place]
    named: dict[str, Any] = {"kind": "stroke", "id": f"{number}", "stroke": f"{number}", "width": 3}
    project.take(picture, project.check([{**named, "value": value, "points": list(points)}]))
    return picture


def strokes_on(project: Project, place: int) -> str:
    _, truth = discs(place)
    picture = ""
    for value in (0, 1):
        rows, columns = np.nonzero(truth == value)
        for number in range(4):
            at = (number * 131 + 40) % len(rows)
            picture = paint(project, place, 10 * value + number, value, columns[at] + 0.5, rows[at] + 0.5)
    return picture


@pytest.mark.usefixtures("plain")
def test_a_few_strokes_label_their_picture_and_others(project: Project) -> None:
    strokes_on(project, 0)
    proposer = Proposer(project)
    for place, picture in enumerate(project.pictures):
        proposal = proposer.propose(picture)
        assert proposal.labels is not None
        assert proposal.remark == "learnt from 1 picture"
        assert (proposal.labels == discs(place)[1]).mean() > 0.9


@pytest.mark.usefixtures("plain")
def test_strokes_of_all_pictures_teach_also_after_a_restart(project: Project) -> None:
    for place in range(3):
        picture = strokes_on(project, place)
    assert Proposer(project).propose(picture).remark == "learnt from 3 pictures"


@pytest.mark.usefixtures("plain")
def test_one_class_teaches_nothing_and_undone_strokes_do_not_count(project: Project) -> None:
    picture = paint(project, 0, 1, 1, 20, 20)
    proposer = Proposer(project)
    assert proposer.propose(picture).labels is None
    assert "two classes" in proposer.propose(picture).remark
    paint(project, 0, 2, 0, 50, 40)
    assert proposer.propose(picture).labels is not None
    project.take(picture, project.check([{"kind": "undo", "id": "u"}]))
    assert proposer.propose(picture).labels is None


def test_what_lacks_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "encoder_available", lambda: False)
    assert "pixelwise[imagenet]" in Proposer(project).remark
    assert Proposer(project).lacks == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pixelwise[label]" in Proposer(project).lacks


def test_samples_of_a_class_are_bounded_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "MOST_SAMPLES", 50)
    image, truth = discs(0)
    features = compute_features(image, encoded=False)
    one, other = sample(features, truth, 255), sample(features, truth, 255)
    assert np.bincount(one.classes).tolist() == [50, 50]
    assert np.array_equal(one.features[0], other.features[0])
    labels = Teacher([one, one]).label(features)
    assert np.array_equal(labels, Teacher([one, one]).label(features))
    assert (labels == truth).mean() > 0.9
