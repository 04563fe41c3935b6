"""Labelling large pictures, with a finger and with a pen."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import drawn_file

from .conftest import Faults
from .test_label_page import LabelServer, drag, on_screen, opened, saved, wait_for

# How long after a movement of the mouse its stroke was drawn, in milliseconds: the event's own time to the end of the
# frame in which the labels were drawn.
WATCH = """() => {
  const view = document.querySelector("#view");
  window.waited = [];
  view.addEventListener("pointermove", (event) => {
    if (event.buttons !== 1) return;
    requestAnimationFrame(() => window.waited.push(performance.now() - event.timeStamp));
  });
}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def serving(folder: Path, tmp_path: Path) -> Iterator[list[LabelServer]]:
    running: list[LabelServer] = []
    yield running
    for server in running:
        server.end(signal.SIGTERM)
        assert server.process.returncode == 0


@pytest.mark.parametrize("size", [(1200, 1700), pytest.param((5200, 7700), marks=pytest.mark.slow)])
def test_strokes_on_large_pictures_are_drawn_at_once_and_kept(
    context: Any, folder: Path, tmp_path: Path, serving: list[LabelServer], faults: Faults, size: tuple[int, int]
) -> None:
    drawn_file(folder / "large.jpg", *size)
    serving.append(LabelServer(folder, tmp_path / "out"))
    page = opened(context, serving[0], faults)
    page.keyboard.press("y")  # proposals would take their time
    page.evaluate(WATCH)
    page.locator("#brush").fill("50")
    drag(page, (0.2, 0.3), (0.8, 0.6), steps=40)
    drag(page, (0.3, 0.7), (0.7, 0.2), steps=40)
    saved(page)
    waited = sorted(page.evaluate("() => window.waited"))
    assert len(waited) > 40
    assert waited[len(waited) // 2] < 50
    box = page.locator("#view").bounding_box()
    scale = min((box["width"] - 24) / size[1], (box["height"] - 24) / size[0])
    y, x = size[0] / 2 + (0.45 - 0.5) * box["height"] / scale, size[1] / 2
    labels = serving[0].labels()
    assert labels[int(y), int(x)] == 0
    assert 0.001 < (labels == 0).mean() < 0.2
    here = page.evaluate(
        """async () => {
          const { desk } = await import("/static/label/desk.js");
          return desk.current.labels.reduce((count, one) => count + (one === 0), 0);
        }"""
    )
    assert here == (labels == 0).sum()
    mask = tmp_path / "out" / "masks" / "large.png"
    wait_for(mask.is_file, 60)
    assert faults.unexpected() == []


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    made = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    yield made
    made.close()


def touch(session: Any, kind: str, *places: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_one_finger_draws_and_two_move(
    phone: Any, folder: Path, tmp_path: Path, serving: list[LabelServer], faults: Faults
) -> None:
    drawn_file(folder / "a.png", 300, 400)
    serving.append(LabelServer(folder, tmp_path / "out"))
    page = opened(phone, serving[0], faults)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    session = phone.new_cdp_session(page)
    box = page.locator("#view").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch(session, "touchStart", (x, y))
    for step in range(8):
        touch(session, "touchMove", (x + 8 * step, y))
    touch(session, "touchEnd")
    saved(page)
    labels = on_screen(page, (300, 400))
    assert (labels == 0).any()
    assert np.array_equal(serving[0].labels(), labels)
    scale = "async () => (await import('/static/label/view.js')).view.scale"
    before = page.evaluate(scale)
    touch(session, "touchStart", (x - 30, y))
    touch(session, "touchStart", (x - 30, y), (x + 30, y))
    for step in range(1, 8):
        touch(session, "touchMove", (x - 30 - 8 * step, y), (x + 30 + 8 * step, y))
    touch(session, "touchEnd")
    assert page.evaluate(scale) > 1.5 * before
    page.wait_for_timeout(400)
    saved(page)
    assert np.array_equal(on_screen(page, (300, 400)), labels)  # the first of two fingers left no dot
    assert np.array_equal(serving[0].labels(), labels)
    assert faults.unexpected() == []


def test_a_pen_draws_its_other_end_erases_and_a_hand_beside_it_only_moves(
    phone: Any, folder: Path, tmp_path: Path, serving: list[LabelServer], faults: Faults
) -> None:
    drawn_file(folder / "a.png", 300, 400)
    serving.append(LabelServer(folder, tmp_path / "out"))
    page = opened(phone, serving[0], faults)
    box = page.locator("#view").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def pen(buttons: int, reach: float) -> None:
        page.evaluate(
            """([x, y, buttons, reach]) => {
              const view = document.querySelector("#view");
              view.setPointerCapture = () => {}; // none is active where events are made by a script
              const send = (type, x, buttons) => view.dispatchEvent(new PointerEvent(type, {
                pointerId: 7, pointerType: "pen", clientX: x, clientY: y, buttons, bubbles: true,
                button: type === "pointermove" ? -1 : buttons === 32 ? 5 : 0,
              }));
              send("pointerdown", x - reach, buttons);
              for (let step = 0; step <= 10; step++) send("pointermove", x - reach + (2 * reach * step) / 10, buttons);
              send("pointerup", x + reach, 0);
            }""",
            [*middle, buttons, reach],
        )

    pen(1, 60)
    saved(page)
    drawn = on_screen(page, (300, 400))
    pen(32, 10)
    saved(page)
    erased = on_screen(page, (300, 400))
    assert 0 < (erased == 0).sum() < (drawn == 0).sum()
    session = phone.new_cdp_session(page)
    touch(session, "touchStart", (middle[0], middle[1] + 60))
    for step in range(6):
        touch(session, "touchMove", (middle[0], middle[1] + 60 - 5 * step))
    touch(session, "touchEnd")
    page.wait_for_timeout(300)
    assert np.array_equal(on_screen(page, (300, 400)), erased)
    assert np.array_equal(serving[0].labels(), erased)
    assert faults.unexpected() == []


def test_pictures_of_16_bits_and_tiff_are_shown(
    context: Any, folder: Path, tmp_path: Path, serving: list[LabelServer], faults: Faults
) -> None:
    ramp = np.linspace(1000, 3000, 80).astype(np.uint16)[None].repeat(60, 0)
    Image.fromarray(ramp).save(folder / "deep.tif")
    serving.append(LabelServer(folder, tmp_path / "out"))
    page = opened(context, serving[0], faults)
    picture = httpx.get(f"{serving[0].url}v1/label").json()["pictures"][0]
    answer = httpx.get(f"{serving[0].url}v1/label/pictures/{picture['id']}/image")
    (tmp_path / "shown.png").write_bytes(answer.content)
    shown = np.asarray(Image.open(tmp_path / "shown.png").convert("L")).astype(int)
    assert shown[0, 0] < 10
    assert shown[0, -1] > 245
    drag(page, (0.4, 0.4), (0.6, 0.4))
    saved(page)
    assert (serving[0].labels() == 0).any()
    assert faults.unexpected() == []
