"""A server as a process of its own, and clients that are slow, leave, or come in crowds."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from .conftest import drawn, encoded, problem_of

PREDICT = "/v1/models/first/predict"


class Server:
    """A running ``pixelwise serve``."""

    def __init__(self, run: Path, *options: str) -> None:
        command = [sys.executable, "-m", "pixelwise", "serve", str(run), "--port", "0", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line + (self.process.stderr.read() if self.process.stderr else "")
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self.url}/metrics").text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])

    def end(self, *, ask: bool = True) -> tuple[int, str]:
        """Wait until the server has ended, and give its exit status and what it wrote to stderr."""
        if ask:
            self.process.send_signal(signal.SIGTERM)
        _, error = self.process.communicate(timeout=60)
        return self.process.returncode, error


@pytest.fixture(scope="module")
def server(served_run: Path) -> Iterator[Server]:
    running = Server(served_run, "--timeout", "3")
    yield running
    status, error = running.end()
    assert (status, error) == (0, "")


@pytest.fixture
def own_server(served_run: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(served_run, *getattr(request, "param", ()))
    yield running
    running.process.kill()
    running.process.communicate(timeout=60)


def head(length: int, path: str = PREDICT) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def test_a_picture_sent_to_a_process(server: Server) -> None:
    answer = httpx.post(server.url + PREDICT, content=encoded(drawn()))
    assert answer.json()["size"] == {"height": 33, "width": 50}
    assert "server" not in answer.headers


def test_a_slow_picture_is_told_so(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(1000))
        begun = time.monotonic()
        answer = everything(connection)
    assert b"408" in answer.split(b"\r\n")[0]
    assert b"did not arrive within 3 seconds" in answer
    assert time.monotonic() - begun < 30


def test_a_request_whose_head_does_not_end_is_closed(server: Server) -> None:
    with server.connect() as silent, server.connect() as halting:
        halting.sendall(b"GET /v1/models HTTP/1.1\r\nHost: loc")
        assert everything(silent) == b""
        assert everything(halting) == b""


def test_connections_that_are_used_stay_open(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        for _ in range(5):
            assert client.get("/healthz").status_code == 200
            time.sleep(0.9)


def test_an_answer_reaches_a_sender_that_still_sends(server: Server) -> None:
    body = b"\r\n".join([b"--b", b'Content-Disposition: form-data; name="file"; filename="a"', b"", bytes(3 * 2**20)])
    wrong = httpx.post(
        server.url + "/v1/models/none/predict",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    problem_of(wrong, 404, "model")
    too_long = httpx.post(server.url + PREDICT, content=bytes(65 * 2**20), timeout=60)
    problem_of(too_long, 413, "max_bytes")


def test_a_body_that_ends_too_early_harms_nobody(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(1000) + encoded(drawn())[:200])
        connection.shutdown(socket.SHUT_WR)
        everything(connection)
    assert httpx.post(server.url + PREDICT, content=encoded(drawn())).status_code == 200


def test_what_is_no_http_harms_nobody(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(bytes(range(256)) + b"\r\n\r\n")
        assert b"400" in everything(connection)
    assert httpx.get(server.url + "/healthz").status_code == 200


def test_work_of_a_client_that_left_is_dropped(server: Server) -> None:
    body = encoded(drawn(1500, 1500), "JPEG")
    labelled = server.metric("pixelwise_left_total")
    with ExitStack() as stack:
        for _ in range(6):
            connection = stack.enter_context(server.connect())
            connection.sendall(head(len(body), f"{PREDICT}?output=labels") + body)
        until(lambda: server.metric("pixelwise_queue_pictures") >= 4)
    until(lambda: server.metric("pixelwise_queue_pictures") == 0)
    assert server.metric("pixelwise_left_total") >= labelled + 3
    computed = 'pixelwise_pictures_total{model="first",output="labels"}'
    text = httpx.get(f"{server.url}/metrics").text
    counts = [float(line.split()[1]) for line in text.splitlines() if line.startswith(computed)]
    assert sum(counts) < 6


def until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_what_was_taken_is_finished_and_nothing_new_is_taken(own_server: Server, sent: signal.Signals) -> None:
    body = encoded(drawn(1200, 1200), "JPEG")
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(httpx.post(own_server.url + PREDICT, content=body, params={"output": "labels"}, timeout=120))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: own_server.metric("pixelwise_queue_pictures") == 3)
    own_server.process.send_signal(sent)
    until(lambda: httpx.get(own_server.url + "/readyz").status_code == 503)
    refused = httpx.post(own_server.url + PREDICT, content=encoded(drawn()))
    assert "the server ends" in problem_of(refused, 503, None)
    for thread in threads:
        thread.join(120)
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    status, error = own_server.end(ask=False)
    assert (status, error) == (0, "")


@pytest.mark.slow
def test_a_job_goes_on_in_the_next_server(served_run: Path, tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "state"))
    first = Server(served_run, *options)
    body = encoded(drawn(4000, 4000), "TIFF")
    sent = {"model": "first", "output": "labels", "mode": "fast"}
    job = httpx.post(f"{first.url}/v1/jobs", content=body, params=sent).json()["id"]

    def status(server: Server) -> dict[str, Any]:
        return dict(httpx.get(f"{server.url}/v1/jobs/{job}").json())

    until(lambda: status(first)["progress"] > 0)
    assert status(first)["state"] == "running"
    assert first.end() == (0, "")
    second = Server(served_run, *options)
    until(lambda: status(second)["state"] == "done", 200)
    resumed = httpx.get(f"{second.url}/v1/jobs/{job}/result").content
    again = httpx.post(f"{second.url}/v1/jobs", content=body, params=sent).json()["id"]
    until(lambda: httpx.get(f"{second.url}/v1/jobs/{again}").json()["state"] == "done", 200)
    assert httpx.get(f"{second.url}/v1/jobs/{again}/result").content == resumed
    assert second.end() == (0, "")


@pytest.mark.slow
def test_two_thousand_connections(own_server: Server) -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 4200:
        pytest.skip(f"this system allows a process {most} connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    body = encoded(drawn(8, 8))
    with ExitStack() as stack:
        crowd = [stack.enter_context(own_server.connect()) for _ in range(2000)]
        for connection in crowd:
            connection.sendall(head(len(body), f"{PREDICT}?output=labels") + body[:-1])
        assert httpx.get(own_server.url + "/healthz", timeout=30).status_code == 200
        for connection in crowd:
            connection.sendall(body[-1:])
        answers = set()
        for connection in crowd:
            connection.settimeout(300)
            answer = b""
            while b"IEND" not in answer and b"problem+json" not in answer:
                part = connection.recv(65536)
                assert part, "a connection was closed without its answer"
                answer += part
            answers.add(answer.split(b"\r\n")[0])
    assert answers <= {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable"}
    assert b"HTTP/1.1 200 OK" in answers
    assert httpx.post(own_server.url + PREDICT, content=body).status_code == 200


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_pictures(own_server: Server) -> None:
    process = psutil.Process(own_server.process.pid)
    body, taken = encoded(drawn(64, 64)), list[float]()
    with httpx.Client(base_url=own_server.url, timeout=60) as client, ThreadPoolExecutor(4) as pool:

        def send(_: int) -> int:
            return client.post(PREDICT, content=body, params={"output": "labels"}).status_code

        for _ in range(10):
            assert set(pool.map(send, range(1000))) == {200}
            taken.append(process.memory_info().rss / 2**20)
    assert max(taken[5:]) - taken[1] < 30, taken
