"""The Python client against a real server on a socket, in a thread of this process."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from pixelwise.client import Client, ServerError
from pixelwise.inference import Predictor
from pixelwise.serve import Access, create_app

TOKEN = "word"


@pytest.fixture(scope="module")
def predictor(untrained_run: Path) -> Predictor:
    return Predictor(untrained_run)


@pytest.fixture(scope="module")
def url(predictor: Predictor) -> Iterator[str]:
    app = create_app({"a b": predictor}, access=Access(TOKEN))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as opened:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, token=TOKEN) as opened:
        yield opened


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.effect_mandelbrot((50, 40), (-2, -1, 1, 1), 50).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_picture(client: Client, photo: Path, predictor: Predictor) -> None:
    (model,) = client.models()
    assert model["name"] == "a b"
    assert client.predict(photo)["size"] == {"height": 40, "width": 50}
    labels = client.predict(photo.read_bytes(), model="a b", output="labels", tta="hflip")
    expected = predictor.with_settings(tta=("hflip",))(photo).labels
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(labels))), expected)
    assert client.predict(photo, output="table").startswith("picture,id,class")
    assert client.predict(photo, output="coco")["images"][0]["file_name"] == "photo.png"


def test_a_batch(client: Client, photo: Path) -> None:
    lines = list(client.batch([photo, b"no picture", photo], output="labels"))
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert base64.b64decode(lines[0]["base64"]) == client.predict(photo, output="labels")
    assert lines[1]["error"]["status"] == 415
    with pytest.raises(ServerError, match="there is no output 'all'"):
        list(client.batch([photo], output="all"))


def test_a_job(client: Client, photo: Path) -> None:
    job = client.submit(photo, output="labels,summary")
    seen: list[float] = []
    status = client.job(job.id).wait(progress=lambda status: seen.append(status["progress"]), every=0.05)
    assert (status["state"], seen[-1]) == ("done", 1.0)
    assert job.result("summary") == client.predict(photo)
    assert job.result() == client.predict(photo, output="labels")
    job.cancel()
    with pytest.raises(ServerError, match="was cancelled"):
        job.wait()


def test_what_goes_wrong_is_said_by_the_server(client: Client, url: str, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="file: not a picture") as caught:
        client.predict(b"text")
    assert (caught.value.status, caught.value.argument) == (415, "file")
    with pytest.raises(ServerError, match=r"nothing\.png: cannot be read"):
        client.predict(tmp_path / "nothing.png")
    with Client(url) as stranger, pytest.raises(ServerError, match="token") as caught:
        stranger.models()
    assert caught.value.status == 401
    with Client("http://127.0.0.1:9") as lost, pytest.raises(ServerError, match="cannot be reached"):
        lost.models()


def test_a_full_server_is_asked_again(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    full = httpx.Response(503, json={"detail": "queue: full", "argument": "queue"}, headers={"Retry-After": "7"})
    answers = [full, full, httpx.Response(200, json={"good": True})]
    with Client(transport=httpx.MockTransport(lambda _: answers.pop(0))) as client:
        assert client.predict(photo, model="a") == {"good": True}
        assert pauses == [7.0, 7.0]
        answers += [full] * 4
        with pytest.raises(ServerError, match="queue: full") as caught:
            client.predict(photo, model="a")
    assert caught.value.retry_after == 7.0
    assert not answers
