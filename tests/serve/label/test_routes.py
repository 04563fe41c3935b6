"""What the labelling service answers, and what it refuses."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelwise.inference import Predictor
from pixelwise.labelling.model import ModelProposals
from pixelwise.labelling.project import Project
from pixelwise.serve.label.app import create_label_app
from pixelwise.types import LabelSpace

from ..conftest import Caller, problem_of
from .conftest import TOKEN, stroke

ABOUT = "/v1/label"


def first_of(project: Project) -> str:
    return next(iter(project.pictures))


def labels_of(call: Caller, picture: str) -> NDArray[np.uint8]:
    answer = call.get(f"{ABOUT}/pictures/{picture}/labels")  # the client undoes the compression
    return np.frombuffer(answer.content, np.uint8).reshape(60, 80)


def act(call: Caller, picture: str, *actions: Any, **more: Any) -> Any:
    return call.post(f"{ABOUT}/pictures/{picture}/actions", json={"actions": list(actions)}, **more)


def test_the_folder_is_described(call: Caller, project: Project) -> None:
    about = call.get(ABOUT).json()
    assert [one["name"] for one in about["classes"]] == ["ground", "tree"]
    assert [(one["name"], one["width"], one["height"], one["changes"]) for one in about["pictures"]] == [
        (f"{number}.png", 80, 60, 0) for number in range(3)
    ]
    assert about["id"] == project.id


def test_strokes_come_back_as_labels(call: Caller, project: Project) -> None:
    picture = first_of(project)
    answer = act(call, picture, stroke(1, 1, 10, 10, 70, 10), stroke(2, 0, 40, 40)).json()
    assert (answer["changes"], answer["undoable"], answer["redoable"], answer["patches"]) == (2, 2, 0, [])
    labels = labels_of(call, picture)
    assert (labels[10, 40], labels[40, 40], labels[55, 5]) == (1, 0, 255)


def test_what_undo_changed_is_told(call: Caller, project: Project) -> None:
    picture = first_of(project)
    act(call, picture, stroke(1, 1, 10, 10, 70, 10), stroke(2, 0, 40, 10))
    before = labels_of(call, picture)
    answer = act(call, picture, {"kind": "undo", "id": "u"}).json()
    (patch,) = answer["patches"]
    after = before.copy()
    part = after[patch["top"] : patch["bottom"], patch["left"] : patch["right"]]
    part[...] = np.frombuffer(zlib.decompress(base64.b64decode(patch["labels"])), np.uint8).reshape(part.shape)
    assert np.array_equal(after, labels_of(call, picture))
    assert (before != after).any()
    again = act(call, picture, {"kind": "undo", "id": "u"}).json()
    assert (again["reload"], again["changes"]) == (True, 3)


def test_pictures_are_shown_as_they_are(call: Caller, project: Project, data: Path) -> None:
    answer = call.get(f"{ABOUT}/pictures/{first_of(project)}/image")
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(shown, np.asarray(Image.open(data / "0.png").convert("RGB")))
    tag = {"if-none-match": answer.headers["etag"]}
    assert call.get(f"{ABOUT}/pictures/{first_of(project)}/image", headers=tag).status_code == 304


@pytest.mark.parametrize("picture", ["x", "0.png", "..%2f..%2fetc%2fpasswd", "%2e%2e", "../pictures/0.png", ""])
@pytest.mark.parametrize("what", ["image", "labels"])
def test_nothing_but_the_pictures_of_the_folder_is_read(call: Caller, picture: str, what: str) -> None:
    assert call.get(f"{ABOUT}/pictures/{picture}/{what}").status_code == 404
    assert act(call, picture, stroke(1, 0, 5, 5)).status_code in (404, 405)


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/label/../../app.py"])
def test_nothing_but_the_files_of_the_page_is_read(call: Caller, path: str) -> None:
    assert call.get(path).status_code == 404


BAD = [
    {**stroke(1, 0, 5, 5), "value": 2},
    {**stroke(1, 0, 5, 5), "value": -1},
    {**stroke(1, 0, 5, 5), "value": "x"},
    {**stroke(1, 0, 5, 5), "width": 0},
    {**stroke(1, 0, 5, 5), "width": 1e9},
    {**stroke(1, 0, 5, 5), "points": []},
    {**stroke(1, 0, 5, 5), "points": [1, 2, 3]},
    {**stroke(1, 0, 5, 5), "points": [1e9, 2]},
    {**stroke(1, 0, 5, 5), "points": [None, 2]},
    {**stroke(1, 0, 5, 5), "points": [0.5] * 50_000},
    {**stroke(1, 0, 5, 5), "id": "../../x"},
    {**stroke(1, 0, 5, 5), "id": "x" * 50},
    {**stroke(1, 0, 5, 5), "more": 1},
    {"kind": "remove", "id": "a"},
    {"kind": "undo"},
    7,
    None,
    [],
]


@pytest.mark.parametrize("action", BAD, ids=lambda one: json.dumps(one)[:60])
def test_actions_that_make_no_sense_are_refused_whole(call: Caller, project: Project, action: Any) -> None:
    picture = first_of(project)
    problem_of(act(call, picture, stroke(9, 1, 20, 20), action), 422, "actions")
    assert (labels_of(call, picture) == 255).all()
    assert not list((project.folder / "strokes").glob("*.jsonl"))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"actions": 3}', b'{"actions": []}', b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_actions_are_refused(call: Caller, project: Project, body: bytes) -> None:
    address = f"{ABOUT}/pictures/{first_of(project)}/actions"
    problem_of(call.post(address, content=body), 422, "actions")


def test_numbers_that_json_does_not_have_are_refused(call: Caller, project: Project) -> None:
    address = f"{ABOUT}/pictures/{first_of(project)}/actions"
    for number in ("NaN", "Infinity", "1e999"):
        body = json.dumps({"actions": [stroke(1, 0, 5, 12345)]}).replace("12345", number)
        problem_of(call.post(address, content=body), 422, "actions")


def test_only_our_page_may_write_and_only_under_our_name(call: Caller, project: Project) -> None:
    picture = first_of(project)
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        problem_of(act(call, picture, stroke(1, 0, 5, 5), headers=headers), 403, "cors")
    for path in ("/", ABOUT, f"{ABOUT}/pictures/{picture}/image"):
        problem_of(call.get(path, headers={"host": "evil.example"}), 421, "hostname")
    assert act(call, picture, stroke(1, 0, 5, 5), headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


def test_a_token_is_asked_for_wherever_there_is_something_to_see(guarded: Caller, project: Project) -> None:
    picture = first_of(project)
    for path in (ABOUT, f"{ABOUT}/pictures/{picture}/image", f"{ABOUT}/pictures/{picture}/labels", "/metrics"):
        problem_of(guarded.get(path), 401, "token")
    problem_of(act(guarded, picture, stroke(1, 0, 5, 5)), 401, "token")
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.get(ABOUT, headers=bearer).status_code == 200
    assert act(guarded, picture, stroke(1, 0, 5, 5), headers=bearer).status_code == 200
    assert guarded.get("/").status_code == 200


def test_the_page_loads_nothing_from_elsewhere(call: Caller) -> None:
    answer = call.get("/")
    assert "static/label/main.js" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_journal_that_cannot_be_written_is_a_fault_of_the_server(
    call: Caller, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    picture = first_of(project)
    act(call, picture, stroke(1, 1, 5, 5))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "the disk is full" in problem_of(act(call, picture, stroke(2, 0, 40, 40)), 507, "out")
    assert labels_of(call, picture)[40, 40] == 255
    assert act(call, picture, stroke(2, 0, 40, 40)).json()["changes"] == 2
    assert labels_of(call, picture)[40, 40] == 0


def test_a_proposal_is_told_and_can_be_accepted(call: Caller, project: Project) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    picture = first_of(project)
    address = f"{ABOUT}/pictures/{picture}/proposal"
    assert call.post(address).status_code == 204
    act(call, picture, stroke(1, 0, 10, 10, 70, 10), stroke(2, 1, 10, 50, 70, 50))
    answer = call.post(address)
    proposed = np.frombuffer(answer.content, np.uint8).reshape(60, 80)
    about = json.loads(answer.headers["pixelwise-proposal"])
    assert set(np.unique(proposed)) == {0, 1}
    (patch,) = act(call, picture, {"kind": "accept", "id": "m", "map": about["id"]}).json()["patches"]
    assert (patch["top"], patch["left"], patch["bottom"], patch["right"]) == (0, 0, 60, 80)
    labels = labels_of(call, picture)
    assert (labels != 255).all()
    assert (labels[10, 20:60] == 0).all()
    unknown = act(call, picture, {"kind": "accept", "id": "n", "map": "0" * 32})
    assert "no longer known" in problem_of(unknown, 422, "actions")
    problem_of(call.post(address, headers={"origin": "http://evil.example"}), 403, "cors")
    assert call.post(f"{ABOUT}/pictures/x/proposal").status_code == 404


def test_a_model_proposes_where_the_server_has_one(project: Project, predictor: Predictor) -> None:
    space = LabelSpace(("bright", "dark"))
    app = create_label_app(project, model=ModelProposals(predictor, space))
    call, picture = Caller(app), first_of(project)
    answer = call.post(f"{ABOUT}/pictures/{picture}/proposal", params={"by": "model"})
    about = json.loads(answer.headers["pixelwise-proposal"])
    proposed = np.frombuffer(answer.content, np.uint8).reshape(60, 80)
    expected = predictor(project.pictures[picture].path).labels
    assert about["id"]
    assert np.array_equal(proposed == 0, expected == 2)
    assert np.array_equal(proposed == 1, expected == 0)
    assert call.get(ABOUT).json()["model"] is True


def test_without_a_model_none_proposes(call: Caller, project: Project) -> None:
    address = f"{ABOUT}/pictures/{first_of(project)}/proposal"
    problem_of(call.post(address, params={"by": "model"}), 404, "by")
    problem_of(call.post(address, params={"by": "magic"}), 422, "by")
    assert call.get(ABOUT).json()["model"] is False


def test_training_is_bounded_and_for_our_page_alone(call: Caller, project: Project) -> None:
    address = f"{ABOUT}/training"
    assert call.get(address).json()["state"] == "none"
    for minutes in (0, -1, 1e9, "x", None):
        problem_of(call.post(address, json={"minutes": minutes}), 422, "minutes")
    problem_of(call.post(address, json={"minutes": 1}, headers={"origin": "http://evil.example"}), 403, "cors")
    assert call.get(address).json()["state"] == "none"
