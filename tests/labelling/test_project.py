"""A folder that is labelled: what is written, what is read again, and what is never touched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.doctor.diagnosis import diagnose
from pixelwise.data.source import open_data
from pixelwise.errors import DataError, SettingError
from pixelwise.io.masks import read_mask
from pixelwise.labelling.project import MOST_OPEN, Project
from pixelwise.labelling.saving import Saver


def folder_of(root: Path, names: Sequence[str], size: tuple[int, int] = (40, 60)) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(root / name)
    return root


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def stroke(number: int, value: int | None, *points: float, width: float = 9) -> dict[str, Any]:
    return {
        "kind": "stroke",
        "id": f"a{number}",
        "stroke": f"s{number}",
        "value": value,
        "width": width,
        "points": list(points),
    }


def paint(project: Project, name: str, *actions: dict[str, Any]) -> str:
    picture = next(picture.id for picture in project.pictures.values() if picture.name == name)
    project.take(picture, project.check(actions))
    return picture


_OPENED: list[Project] = []


def opened(data: Path, out: Path, **more: Any) -> Project:
    project = Project(data, out, **more)
    _OPENED.append(project)
    return project


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _OPENED:
        _OPENED.pop().close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "pictures", [f"{letter}.png" for letter in "abcdefgh"])


def test_what_is_labelled_is_a_data_set_without_faults(data: Path, tmp_path: Path) -> None:
    before = digests(data)
    project = opened(data, tmp_path / "out", classes=["sky", "no", "1"])
    for number, name in enumerate("abcdef"):
        picture = paint(
            project, f"{name}.png", stroke(1, 0, 5, 5, 50, 5), stroke(2, 1, 5, 20, 50, 20), stroke(3, 2, 5 + number, 35)
        )
        project.save(picture)
    project.close()
    assert digests(data) == before
    source = open_data(tmp_path / "out")
    assert source.label_space.names == ("sky", "no", "1")
    assert sorted(pair.id for pair in source.pairs) == [f"images/{name}.png" for name in "abcdef"]
    diagnosis = diagnose(tmp_path / "out")
    assert [finding.line for finding in diagnosis.findings if finding.gravity != "note"] == []
    mask = read_mask(tmp_path / "out" / "masks" / "a.png")
    assert (mask[5, 20], mask[20, 20], mask[12, 30]) == (0, 1, 255)


def test_a_picture_without_a_labelled_pixel_leaves_the_data_set(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["thing"])
    picture = paint(project, "a.png", stroke(1, 1, 5, 5, 50, 30))
    project.save(picture)
    assert (tmp_path / "out" / "images" / "a.png").read_bytes() == (data / "a.png").read_bytes()
    paint(project, "a.png", stroke(2, None, 30, 20, width=200))
    project.save(picture)
    assert not list((tmp_path / "out" / "images").iterdir())
    assert not list((tmp_path / "out" / "masks").iterdir())


def test_labels_are_there_again_and_can_be_taken_back(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    picture = paint(
        project,
        "b.png",
        stroke(1, 0, 5, 5, 50, 30),
        stroke(2, 1, 5, 30, 50, 5),
        {"kind": "done", "id": "d", "done": True},
    )
    with project.opened(picture) as desk:
        labels = desk.canvas.labels.copy()
    project.close()
    again = opened(data, tmp_path / "out")
    assert again.space.names == ("x", "y")
    assert (again.status[picture].done, again.status[picture].changes) == (True, 3)
    with again.opened(picture) as desk:
        assert np.array_equal(desk.canvas.labels, labels)
    paint(again, "b.png", {"kind": "undo", "id": "u1"}, {"kind": "undo", "id": "u2"})
    with again.opened(picture) as desk:
        assert (desk.canvas.labels == 255).all()
    again.close()


def test_an_action_that_arrives_twice_counts_once(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    picture = paint(project, "a.png", stroke(1, 0, 5, 5), stroke(2, 1, 30, 20))
    paint(project, "a.png", {"kind": "undo", "id": "u"}, {"kind": "undo", "id": "u"})
    paint(project, "a.png", stroke(2, 1, 30, 20), {"kind": "undo", "id": "u"})
    with project.opened(picture) as desk:
        assert (desk.canvas.undoable, len(desk.journal.entries)) == (1, 3)


def test_many_open_pictures_are_forgotten_and_come_back(data: Path, tmp_path: Path) -> None:
    folder_of(data, [f"more/{number}.png" for number in range(MOST_OPEN)])
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    for name in [picture.name for picture in project.pictures.values()]:
        paint(project, name, stroke(1, 0, 5, 5))
        project.tidy(frozenset())
    assert len(project._desks) == MOST_OPEN
    picture = paint(project, "a.png", stroke(2, 1, 40, 30))
    with project.opened(picture) as desk:
        assert desk.canvas.undoable == 2


def test_masks_are_saved_beside_the_strokes_and_after_a_kill(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    saver = Saver(project)
    saver.start()
    saver.changed(paint(project, "a.png", stroke(1, 0, 5, 5)))
    saver.close()
    assert read_mask(tmp_path / "out" / "masks" / "a.png")[5, 5] == 0
    paint(project, "a.png", stroke(2, 1, 5, 5))  # and the server is killed
    project.close()
    again = opened(data, tmp_path / "out")
    saver = Saver(again)
    saver.start()
    saver.close()
    assert read_mask(tmp_path / "out" / "masks" / "a.png")[5, 5] == 1
    again.close()


def test_pictures_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "p", ["a/x.png", "b/x.png", "b/x.jpg", "train/x.png", "X.png"])
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    for name in [picture.name for picture in project.pictures.values()]:
        project.save(paint(project, name, stroke(1, 0, 5, 5, 20, 20), stroke(2, 1, 40, 30)))
    source = open_data(tmp_path / "out")
    assert len(source.pairs) == 5
    assert all(pair.mask is not None for pair in source.pairs)
    project.close()


def test_pictures_with_masks_come_last_and_begin_with_them(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "p", [f"images/{name}.png" for name in "abc"])
    (data / "masks").mkdir()
    for name, value in (("a", 0), ("b", 1)):
        mask = np.full((40, 60), value, np.uint8)
        mask[:20] = 1
        mask[0, 0] = 2
        Image.fromarray(mask).save(data / "masks" / f"{name}.png")
    (data / "classes.txt").write_text("ground\ntree\nsky\n")
    before = digests(data)
    project = opened(data, tmp_path / "out")
    assert [picture.name for picture in project.pictures.values()] == ["images/c.png", "images/a.png", "images/b.png"]
    assert project.space.names == ("ground", "tree", "sky")
    picture = paint(project, "images/a.png", stroke(1, 2, 30, 30))
    project.save(picture)
    saved = read_mask(tmp_path / "out" / "masks" / "a.png")
    assert (saved[0, 0], saved[5, 5], saved[39, 0], saved[30, 30]) == (2, 1, 0, 2)
    assert digests(data) == before
    project.close()
    with pytest.raises(SettingError, match="the masks of the folder have the classes"):
        opened(data, tmp_path / "other", classes=["tree", "ground", "sky"])


def test_classes_may_grow_and_not_change(data: Path, tmp_path: Path) -> None:
    opened(data, tmp_path / "out", classes=["x", "y"]).close()
    grown = opened(data, tmp_path / "out", classes=["x", "y", "z"])
    grown.close()
    again = opened(data, tmp_path / "out")
    assert again.space.names == ("x", "y", "z")
    again.close()
    with pytest.raises(SettingError, match="was labelled with x, y, z"):
        opened(data, tmp_path / "out", classes=["y", "x"])


def test_a_class_that_there_is_not_is_refused_and_not_kept(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    with pytest.raises(SettingError, match="a change has the class 2; there are 2"):
        paint(project, "a.png", stroke(1, 2, 5, 5))
    assert not list((tmp_path / "out" / "strokes").glob("*.jsonl"))


def test_one_server_at_a_time(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    with pytest.raises(SettingError, match="another server labels into this folder"):
        opened(data, tmp_path / "out")
    project.close()
    opened(data, tmp_path / "out").close()


def test_a_damaged_journal_leaves_the_other_pictures_usable(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    picture = paint(project, "a.png", stroke(1, 0, 5, 5))
    project.close()
    journal = project.journal_of(project.pictures[picture])
    journal.write_bytes(b"0" + journal.read_bytes()[1:])
    again = opened(data, tmp_path / "out")
    assert "line 1 is not what was written there" in again.status[picture].trouble
    with pytest.raises(DataError, match="line 1"):
        paint(again, "a.png", stroke(2, 0, 5, 5))
    paint(again, "b.png", stroke(1, 0, 5, 5))
    again.close()


def test_unreadable_pictures_are_said_and_left_out(data: Path, tmp_path: Path) -> None:
    (data / "z.png").write_bytes(b"nothing")
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    assert len(project.pictures) == 8
    assert "z.png" in " ".join(project.remarks)
    project.close()


def test_folders_that_cannot_be_labelled(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        opened(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures to label"):
        opened(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(SettingError, match="it is the folder of the pictures"):
        opened(data, data)


def test_the_data_set_may_lie_in_the_folder_of_the_pictures(data: Path) -> None:
    project = opened(data, data / "labelled", classes=["x", "y"])
    project.save(paint(project, "a.png", stroke(1, 0, 5, 5)))
    project.close()
    again = opened(data, data / "labelled")
    assert len(again.pictures) == 8
    again.close()


def test_labels_stay_with_their_pictures_where_others_come(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    picture = paint(project, "b.png", stroke(1, 0, 5, 5), stroke(2, 1, 40, 30))
    project.save(picture)
    project.close()
    folder_of(data, ["b.jpg", "a/b.png", "../pictures/0.png"])
    again = opened(data, tmp_path / "out")
    assert again.status[picture].changes == 2
    for name in ("b.jpg", "a/b.png"):
        again.save(paint(again, name, stroke(1, 1, 5, 5)))
    masks = {again.pictures[one].name: again.labelled.mask_of(again.pictures[one]) for one in again.pictures}
    assert read_mask(masks["b.png"])[5, 5] == 0
    assert read_mask(masks["b.jpg"])[5, 5] == 1
    source = open_data(tmp_path / "out")
    assert sorted(pair.id for pair in source.pairs) == ["images/a-b.png", "images/b-2.jpg", "images/b.png"]
    again.close()
    (tmp_path / "out" / "strokes" / "names.json").write_text('{"0": "../../x"}')
    with pytest.raises(DataError, match=r"names\.json"):
        opened(data, tmp_path / "out")


def test_classes_that_come_later_are_described(data: Path, tmp_path: Path) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    project.save(paint(project, "a.png", stroke(1, 0, 5, 5), stroke(2, 1, 30, 30)))
    colors = project.space.colors
    project.close()
    grown = opened(data, tmp_path / "out", classes=["x", "y", "z"])
    assert grown.space.colors[:2] == colors
    grown.save(paint(grown, "a.png", stroke(3, 2, 50, 5)))
    assert open_data(tmp_path / "out").label_space.names == ("x", "y", "z")


def test_a_change_that_fails_leaves_labels_as_the_journal_has_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = opened(data, tmp_path / "out", classes=["x", "y"])
    picture = paint(project, "a.png", stroke(1, 0, 5, 5))
    with monkeypatch.context() as patched:
        patched.setattr("pixelwise.labelling.canvas.paint_stroke", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            paint(project, "a.png", stroke(2, 1, 40, 30))
    with project.opened(picture) as desk:
        assert len(desk.journal.entries) == 2
        assert (desk.canvas.labels[5, 5], desk.canvas.labels[30, 40]) == (0, 1)
