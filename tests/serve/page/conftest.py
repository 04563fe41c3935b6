"""A server with two small networks, and a browser that notes everything that goes wrong on the page."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from serving import drawn_file

from pixelwise.inference import Predictor
from pixelwise.serve import Limits, create_app

SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
LIMITS = Limits(max_pixels=640 * 480)  # frames of the camera; what is a little larger is a job
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


class Server:
    """A server in a thread of this process; it can be stopped and started again at the same port."""

    def __init__(self, make_app: Callable[[], Any]) -> None:
        self._make_app = make_app
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        config = uvicorn.Config(self._make_app(), host="127.0.0.1", port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 30
        while not self._server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)


@pytest.fixture(scope="module")
def server(predictor: Predictor) -> Iterator[Server]:
    started = Server(lambda: create_app({"first": predictor, "second": predictor}, LIMITS))
    started.start()
    yield started
    started.stop()


def chromium_program() -> str:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs the program chromium")
    return program


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright, to drive a browser")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=chromium_program(), args=[*SWITCHES, *CAMERA, "--disable-sync"]
        )
        yield opened
        opened.close()


class Faults(list[str]):
    """What went wrong on a page; ``expected`` are patterns of what a test provokes."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: list[str] = []

    def unexpected(self) -> list[str]:
        return [fault for fault in self if not any(re.search(pattern, fault) for pattern in self.expected)]


@pytest.fixture
def faults() -> Faults:
    return Faults()


def watched(page: Any, home: str, faults: Faults) -> Any:
    """Note errors of scripts and the console, which include violations of the policy, and requests elsewhere."""
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda asked: None if asked.url.startswith((home, "blob:", "data:")) else faults.append(asked.url)
    )
    page.set_default_timeout(30000)
    return page


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, permissions=["camera"])
    yield opened
    opened.close()


@pytest.fixture
def page(context: Any, server: Server, faults: Faults) -> Iterator[Any]:
    opened = watched(context.new_page(), server.url, faults)
    opened.goto(server.url)
    opened.locator("body.ready").wait_for()
    yield opened
    assert faults.unexpected() == []


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return drawn_file(tmp_path / "meadow.png", 90, 120)
