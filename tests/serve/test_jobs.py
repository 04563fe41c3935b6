"""Jobs: taken at once, computed one after the other, seen, cancelled, kept for an hour and over a restart."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fastapi import FastAPI
from PIL import Image
from verbs import run

from pixelwise.errors import SettingError
from pixelwise.inference import Predictor
from pixelwise.serve import Limits, create_app
from pixelwise.serve.jobs import Jobs
from pixelwise.serve.live_jobs import KEPT_SECONDS
from pixelwise.serve.work import Workers

from .conftest import Caller, drawn, encoded, problem_of

GEO_TAGS = [
    (33550, "d", 3, (2.0, 2.0, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 1000.0, 5000.0, 0.0), True),
    (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True),
]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def app(predictor: Predictor, state: Path) -> Iterator[FastAPI]:
    made = create_app({"first": predictor}, state=state)
    yield made
    made.state.jobs.close()


def send(call: Caller, body: bytes, **query: Any) -> dict[str, Any]:
    answer = call.post("/v1/jobs", files={"file": ("map.tif", body)}, params={"model": "first", **query})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


def ended(call: Caller, job: dict[str, Any]) -> dict[str, Any]:
    for _ in range(600):
        status = call.get(f"/v1/jobs/{job['id']}").json()
        if status["state"] in ("done", "failed", "cancelled"):
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def raster(height: int = 120, width: int = 150, *, geo: bool = True) -> bytes:
    stream = io.BytesIO()
    tags = GEO_TAGS if geo else []
    tifffile.imwrite(stream, np.asarray(drawn(height, width)), photometric="rgb", tile=(64, 64), extratags=tags)
    return stream.getvalue()


def test_the_results_are_those_of_the_command_line(call: Caller, served_run: Path, tmp_path: Path) -> None:
    outputs = ["labels", "overlay", "geojson", "coco", "table", "summary"]
    job = send(call, raster(), output=",".join(outputs))
    assert (job["name"], job["outputs"], job["ended"], job["result"]) == ("map.tif", outputs, None, None)
    status = ended(call, job)
    assert (status["state"], status["progress"], status["error"]) == ("done", 1.0, None)
    assert status["expires"] == status["ended"] + KEPT_SECONDS
    (tmp_path / "map.tif").write_bytes(raster())
    out = tmp_path / "out"
    save = "labels,overlay,geojson,coco,table"
    assert run("predict", served_run, tmp_path / "map.tif", "--out", out, "--save", save) == 0
    for output, file, kind in (
        ("labels", "map.tif", "image/tiff"),
        ("overlay", "map_overlay.jpg", "image/jpeg"),
        ("geojson", "map.geojson", "application/geo+json"),
        ("coco", "predictions.json", "application/vnd.coco+json"),
        ("table", "objects.csv", "text/csv; charset=utf-8"),
    ):
        answer = call.get(status["result"], params={"output": output})
        assert answer.content == (out / file).read_bytes(), output
        assert answer.headers["content-type"] == kind
    summary = call.get(status["result"], params={"output": "summary"}).json()
    counts = np.bincount(tifffile.imread(out / "map.tif").reshape(-1), minlength=3)
    assert [one["pixels"] for one in summary["classes"]] == counts.tolist()
    assert call.get(status["result"]).content == (out / "map.tif").read_bytes()  # the first output
    problem_of(call.get(status["result"], params={"output": "probabilities"}), 422, "output")


def test_small_pictures_may_be_jobs_too(call: Caller, predictor: Predictor) -> None:
    job = send(call, encoded(drawn()), tta="hflip", output="labels")
    labels = call.get(ended(call, job)["result"])
    expected = predictor.with_settings(tta=("hflip",))(drawn()).labels
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(labels.content))), expected)


@pytest.mark.parametrize(
    ("query", "status", "argument"),
    [
        ({"model": "none"}, 404, "model"),
        ({"output": "labels,labls"}, 422, "output"),
        ({"output": ","}, 422, "output"),
        ({"tta": "sideways"}, 422, "tta"),
        ({"min_area": -1}, 422, "min_area"),
        ({"priority": 1}, 422, "priority"),
    ],
)
def test_what_cannot_be_is_refused_before_the_picture_arrives(
    call: Caller, state: Path, query: dict[str, Any], status: int, argument: str
) -> None:
    answer = call.post("/v1/jobs", content=raster(), params={"model": "first", **query})
    problem_of(answer, status, argument)
    assert [path.name for path in state.iterdir()] == ["lock"]


def test_a_picture_that_is_none_leaves_nothing(call: Caller, state: Path) -> None:
    problem_of(call.post("/v1/jobs", content=b"text", params={"model": "first"}), 415, "file")
    problem_of(call.post("/v1/jobs", content=raster()), 422, "model")
    assert [path.name for path in state.iterdir()] == ["lock"]


def test_a_damaged_raster_fails_with_the_reason(call: Caller, state: Path) -> None:
    job = send(call, raster()[:-3000])
    status = ended(call, job)
    assert status["state"] == "failed"
    assert status["error"]["argument"] == "file"
    assert status["error"]["detail"].startswith("file: ")
    assert str(state) not in json.dumps(status)
    assert problem_of(call.get(f"/v1/jobs/{job['id']}/result"), 422, "file") == status["error"]["detail"]
    assert {path.name for path in (state / job["id"]).iterdir()} == {"job.json"}


def test_probabilities_of_a_raster_are_refused_as_by_predict(call: Caller) -> None:
    status = ended(call, send(call, raster(), output="probabilities"))
    assert "probabilities cannot be written for a raster" in status["error"]["detail"]


def test_jobs_have_a_limit_of_their_own(predictor: Predictor) -> None:
    app = create_app({"first": predictor}, Limits(max_bytes=1000, job_bytes=10**6, max_pixels=10))
    call = Caller(app)
    assert ended(call, send(call, raster()))["state"] == "done"  # more bytes and pixels than a request may have
    long = call.post("/v1/jobs", content=bytes(10**6 + 1), params={"model": "first"})
    problem_of(long, 413, "job_bytes")
    app.state.jobs.close()


@pytest.mark.parametrize("name", ["0" * 32, "..", "job.json", "%2e%2e%2flock", "A" * 32, "x" * 5000])
def test_names_of_jobs_are_no_paths(call: Caller, name: str) -> None:
    for path in (f"/v1/jobs/{name}", f"/v1/jobs/{name}/result"):
        assert call.get(path).status_code == 404
    assert call.talk(lambda client: client.delete(f"/v1/jobs/{name}")).status_code in (404, 405)


class Halting:
    """Holds jobs at their tiles until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = threading.Event()
        self.reached = threading.Event()
        halting = self

        def let(workers: Workers, seconds: float) -> None:
            halting.reached.set()
            assert halting.free.wait(30)

        monkeypatch.setattr(Workers, "let_pictures_go_first", let)


@pytest.fixture
def halting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Halting]:
    held = Halting(monkeypatch)
    yield held
    held.free.set()


def test_a_job_that_runs_is_seen_and_cancelled(call: Caller, halting: Halting, state: Path) -> None:
    first, second = send(call, raster()), send(call, raster())
    assert halting.reached.wait(30)
    assert call.get(f"/v1/jobs/{first['id']}").json()["state"] == "running"
    assert call.get(f"/v1/jobs/{second['id']}").json()["state"] == "waiting"
    detail = problem_of(call.get(f"/v1/jobs/{first['id']}/result"), 409, "id")
    assert "the job is running" in detail
    for job in (first, second):
        assert call.talk(lambda client, job=job: client.delete(f"/v1/jobs/{job['id']}")).status_code == 200
    halting.free.set()
    for job in (first, second):
        assert ended(call, job)["state"] == "cancelled"
        problem_of(call.get(f"/v1/jobs/{job['id']}/result"), 410, "id")
        assert {path.name for path in (state / job["id"]).iterdir()} == {"job.json"}


def test_so_many_jobs_wait_and_no_more(predictor: Predictor, halting: Halting) -> None:
    app = create_app({"first": predictor}, Limits(max_jobs=2))
    call = Caller(app)
    jobs = [send(call, raster()) for _ in range(2)]
    refused = call.post("/v1/jobs", content=raster(), params={"model": "first"})
    assert "2 jobs wait or run already" in problem_of(refused, 503, "max_jobs")
    assert int(refused.headers["retry-after"]) > 0
    halting.free.set()
    assert [ended(call, job)["state"] for job in jobs] == ["done", "done"]
    assert ended(call, send(call, raster()))["state"] == "done"
    app.state.jobs.close()


def test_jobs_go_on_after_a_restart(
    predictor: Predictor, served_run: Path, state: Path, tmp_path: Path, halting: Halting
) -> None:
    small = Predictor(served_run, tile=32, mode="fast")
    app = create_app({"first": small}, state=state)
    call = Caller(app)
    first, second = send(call, raster(), output="labels"), send(call, raster(), output="summary")
    assert halting.reached.wait(30)
    app.state.jobs._ending.set()  # as when SIGTERM comes between two tiles
    halting.free.set()
    app.state.jobs.close()
    assert json.loads((state / first["id"] / "job.json").read_text())["state"] == "running"
    (state / ("f" * 32)).mkdir()  # an upload that was cut short
    again = create_app({"first": small}, state=state)
    assert not (state / ("f" * 32)).exists()
    call = Caller(again)
    assert call.get(f"/v1/jobs/{second['id']}").json()["state"] == "waiting"
    again.state.jobs.start()
    assert [ended(call, job)["state"] for job in (first, second)] == ["done", "done"]
    (tmp_path / "map.tif").write_bytes(raster())
    out = tmp_path / "out"
    options = ("--tile", 32, "--mode", "fast", "--save", "labels")
    assert run("predict", served_run, tmp_path / "map.tif", "--out", out, *options) == 0
    assert call.get(f"/v1/jobs/{first['id']}/result").content == (out / "map.tif").read_bytes()
    again.state.jobs.close()


def test_a_job_of_a_model_that_is_gone_fails(predictor: Predictor, state: Path, halting: Halting) -> None:
    app = create_app({"first": predictor}, state=state)
    job = send(Caller(app), raster())
    assert halting.reached.wait(30)
    app.state.jobs._ending.set()
    halting.free.set()
    app.state.jobs.close()
    again = create_app({"second": predictor}, state=state)
    again.state.jobs.start()
    assert "'first' is no longer served" in ended(Caller(again), job)["error"]["detail"]
    again.state.jobs.close()


def test_results_are_kept_for_an_hour(predictor: Predictor, state: Path) -> None:
    app = create_app({"first": predictor}, state=state)
    jobs: Jobs = app.state.jobs
    call = Caller(app)
    job = send(call, raster())
    assert ended(call, job)["state"] == "done"
    jobs._clock = lambda: time.time() + KEPT_SECONDS - 60
    assert call.get(f"/v1/jobs/{job['id']}/result").status_code == 200
    jobs._clock = lambda: time.time() + KEPT_SECONDS + 60
    problem_of(call.get(f"/v1/jobs/{job['id']}"), 404, "id")
    assert not (state / job["id"]).exists()
    jobs.close()


def test_two_servers_need_two_folders(app: FastAPI, predictor: Predictor, state: Path) -> None:
    with pytest.raises(SettingError, match="another server keeps its jobs there"):
        create_app({"first": predictor}, state=state)


def test_pictures_go_before_the_next_tile() -> None:
    workers = Workers(100)
    order: list[str] = []

    def tile() -> None:
        workers.let_pictures_go_first(20)
        order.append("tile")

    with workers.place(10):
        waiting = threading.Thread(target=tile)
        waiting.start()
        time.sleep(0.1)
        order.append("picture")
    waiting.join(20)
    assert order == ["picture", "tile"]
    begun = time.monotonic()
    with workers.place(10):
        workers.let_pictures_go_first(0.1)
    assert time.monotonic() - begun < 10
    workers.close()


def test_a_job_that_arrives_too_slowly(predictor: Predictor) -> None:
    import asyncio
    from collections.abc import AsyncIterator

    app = create_app({"first": predictor}, Limits(timeout=0.2))

    async def slow() -> AsyncIterator[bytes]:
        yield raster()[:100]
        await asyncio.sleep(1)
        yield raster()[100:]

    call = Caller(app)
    answer = call.talk(lambda client: client.post("/v1/jobs", content=slow(), params={"model": "first"}))
    assert "arrives too slowly" in problem_of(answer, 408, "timeout")
    app.state.jobs.close()
