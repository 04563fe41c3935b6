"""Labelling with a mouse: what is on the screen is what the server keeps, whoever dies meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from serving import drawn_file, shown

from pixelwise.labelling.raster import paint_stroke

from .conftest import SWITCHES, Faults, chromium_program, watched

SIZE = (300, 400)


class LabelServer:
    """A running ``pixelwise label`` that can be killed and started again at the same port."""

    def __init__(self, data: Path, out: Path, *options: str) -> None:
        self.data, self.out, self.port = data, out, 0
        self.options = options or ("--classes", "ground,tree,sky")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "pixelwise", "label", str(self.data), *self.options]
        self.process = subprocess.Popen(
            [*command, "--out", str(self.out), "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"label at (http://127\.0\.0\.1:(\d+))", line):
                self.url, self.port = found[1] + "/", int(found[2])
                return
        raise AssertionError("".join(said))

    def end(self, sign: signal.Signals) -> None:
        self.process.send_signal(sign)
        self.process.communicate(timeout=60)

    def labels(self, place: int = 0) -> NDArray[np.uint8]:
        pictures = httpx.get(f"{self.url}v1/label").json()["pictures"]
        answer = httpx.get(f"{self.url}v1/label/pictures/{pictures[place]['id']}/labels")
        return np.frombuffer(answer.content, np.uint8).reshape(pictures[place]["height"], pictures[place]["width"])


@pytest.fixture
def label_server(tmp_path: Path) -> Iterator[LabelServer]:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        drawn_file(tmp_path / "pictures" / f"{number}.png", *SIZE, number)
    server = LabelServer(tmp_path / "pictures", tmp_path / "out")
    yield server
    if server.process.poll() is None:
        server.end(signal.SIGKILL)


@pytest.fixture
def label_page(context: Any, label_server: LabelServer, faults: Faults) -> Iterator[Any]:
    page = opened(context, label_server, faults)
    yield page
    assert faults.unexpected() == []


def opened(context: Any, server: LabelServer, faults: Faults) -> Any:
    page = watched(context.new_page(), server.url, faults)
    page.goto(server.url)
    page.locator("body.ready").wait_for()
    return page


LABELS = """async () => {
  const { desk } = await import("/static/label/desk.js");
  return Array.from(desk.current.labels);
}"""


def on_screen(page: Any, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """The labels that the page holds."""
    return np.array(page.evaluate(LABELS), np.uint8).reshape(size)


def drag(page: Any, *places: tuple[float, float], up: bool = True, steps: int = 6) -> None:
    """Draw a line with the mouse; places are shares of the stage."""
    box = page.locator("#view").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=steps)
    if up:
        page.mouse.up()


def saved(page: Any) -> None:
    page.locator("#saved", has_text="all saved").wait_for()


def wait_for(holds: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_strokes_on_the_screen_are_those_of_the_server(label_page: Any, label_server: LabelServer) -> None:
    drag(label_page, (0.3, 0.3), (0.6, 0.4), (0.5, 0.6))
    label_page.keyboard.press("2")
    label_page.locator("#brush").fill("40")
    drag(label_page, (0.45, 0.2), (0.45, 0.8))
    label_page.keyboard.press("e")
    drag(label_page, (0.2, 0.45), (0.8, 0.5))
    saved(label_page)
    labels = on_screen(label_page)
    assert np.array_equal(labels, label_server.labels())
    assert set(np.unique(labels)) == {0, 1, 255}


def test_strokes_are_painted_pixel_by_pixel_as_in_python(label_page: Any) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        points = (rng.uniform(-20, 90, 2 * int(rng.integers(1, 8))) * 8).round() / 8
        width = float(rng.choice([0.5, 1, 3, 7.5, 31]))
        expected = np.zeros((70, 61), np.uint8)
        paint_stroke(expected, points.tolist(), width, 1)
        found = label_page.evaluate(
            """async ([points, brush]) => {
              const { paintStroke } = await import("/static/label/raster.js");
              const map = { labels: new Uint8Array(70 * 61), width: 61, height: 70 };
              paintStroke(map, points, brush, 1);
              return Array.from(map.labels);
            }""",
            [points.tolist(), width],
        )
        assert np.array_equal(np.array(found).reshape(70, 61), expected)


def test_undo_and_redo_from_the_page_and_after_it_was_opened_anew(label_page: Any, label_server: LabelServer) -> None:
    states = [on_screen(label_page)]
    for number in range(4):
        drag(label_page, (0.3 + 0.1 * number, 0.2), (0.4, 0.7))
        saved(label_page)
        states.append(on_screen(label_page))
    for before in states[-2::-1]:
        label_page.keyboard.press("Control+z")
        wait_for(lambda before=before: bool((on_screen(label_page) == before).all()))  # type: ignore[misc]
    assert label_page.locator("#undo").is_disabled()
    label_page.reload()
    label_page.locator("body.ready").wait_for()
    for after in states[1:]:
        label_page.locator("#redo").click()
        wait_for(lambda after=after: bool((on_screen(label_page) == after).all()))  # type: ignore[misc]
    assert np.array_equal(label_server.labels(), states[-1])


def test_labels_lie_on_the_screen_where_the_mouse_was(label_page: Any) -> None:
    label_page.locator("#opacity").fill("100")
    label_page.mouse.move(5, 5)
    before = shown(label_page)
    drag(label_page, (0.4, 0.5), (0.6, 0.5))
    label_page.mouse.move(5, 5)
    label_page.wait_for_timeout(300)
    changed = np.argwhere((shown(label_page) != before).any(axis=2))
    height, width = before.shape[:2]
    middle = changed.mean(axis=0)
    assert abs(middle[0] - 0.5 * height) < 3
    assert abs(middle[1] - 0.5 * width) < 3


def test_what_is_drawn_while_the_server_is_dead_arrives_when_it_is_back(
    label_page: Any, label_server: LabelServer, faults: Faults
) -> None:
    faults.expected += ["ERR_", "Failed to load"]
    drag(label_page, (0.3, 0.3), (0.4, 0.4), up=False)
    label_server.end(signal.SIGKILL)  # in the middle of a stroke
    drag(label_page, (0.4, 0.4), (0.6, 0.3))
    drag(label_page, (0.3, 0.6), (0.6, 0.6))
    label_page.locator("#lost").wait_for()
    assert "kept in this browser" in label_page.locator("#lost").inner_text()
    labels = on_screen(label_page)
    label_server.start()
    saved(label_page)
    label_page.locator("#lost").wait_for(state="hidden")
    assert np.array_equal(label_server.labels(), labels)
    assert np.array_equal(on_screen(label_page), labels)


def test_what_was_drawn_is_kept_where_the_page_is_closed_before_the_server_is_back(
    label_page: Any, label_server: LabelServer, context: Any, faults: Faults
) -> None:
    faults.expected += ["ERR_", "Failed to load"]
    label_server.end(signal.SIGKILL)
    drag(label_page, (0.3, 0.3), (0.6, 0.4))
    label_page.locator("#lost").wait_for()
    labels = on_screen(label_page)
    label_page.close()
    label_server.start()
    again = opened(context, label_server, faults)
    saved(again)
    wait_for(lambda: bool((label_server.labels() == labels).all()))
    wait_for(lambda: bool((on_screen(again) == labels).all()))
    assert (labels != 255).any()


def test_a_browser_that_is_killed_in_the_middle_of_a_stroke_loses_a_moment_of_it(
    label_server: LabelServer, tmp_path: Path, browser: Any
) -> None:
    profile = tmp_path / "profile"
    context = browser.browser_type.launch_persistent_context(
        str(profile), executable_path=chromium_program(), args=[*SWITCHES, "--disable-sync"]
    )
    page = context.new_page()
    page.goto(label_server.url)
    page.locator("body.ready").wait_for()
    drag(page, (0.3, 0.3), (0.7, 0.3))
    saved(page)
    drag(page, (0.3, 0.5), (0.4, 0.5), up=False)
    box = page.locator("#view").bounding_box()
    for step in range(30):
        page.mouse.move(box["x"] + box["width"] * (0.4 + 0.01 * step), box["y"] + box["height"] * 0.5)
        page.wait_for_timeout(40)
    labels = on_screen(page)
    for process in psutil.process_iter(["cmdline"]):
        if any(str(profile) in word for word in process.info["cmdline"] or ()):
            process.kill()
    kept = label_server.labels()
    drawn = labels != 255
    assert np.array_equal(kept[kept != 255], labels[kept != 255])
    assert (kept != 255).sum() > 0.75 * drawn.sum()
    assert not ((kept != 255) & ~drawn).any()


def test_two_pages_of_one_picture_agree(
    label_page: Any, label_server: LabelServer, context: Any, faults: Faults
) -> None:
    other = opened(context, label_server, faults)
    drag(label_page, (0.3, 0.3), (0.6, 0.3))
    saved(label_page)
    drag(other, (0.3, 0.5), (0.6, 0.5))
    saved(other)
    wait_for(lambda: bool((on_screen(other) == label_server.labels()).all()))
    drag(label_page, (0.3, 0.7), (0.6, 0.7))
    saved(label_page)
    wait_for(lambda: bool((on_screen(label_page) == label_server.labels()).all()))


def test_done_goes_on_to_the_next_picture(label_page: Any, label_server: LabelServer) -> None:
    drag(label_page, (0.3, 0.3), (0.6, 0.3))
    label_page.keyboard.press("Enter")
    label_page.locator("#name", has_text="1.png").wait_for()
    assert label_page.locator("#pictures-count").inner_text() == "1 of 3 done"
    wait_for(lambda: (label_server.out / "masks" / "0.png").is_file())
    label_page.keyboard.press("k")
    label_page.locator("#name", has_text="0.png").wait_for()
    wait_for(lambda: bool((on_screen(label_page) != 255).any()))


def test_a_click_on_a_class_paints_with_it(label_page: Any, label_server: LabelServer) -> None:
    label_page.locator("#classes .class", has_text="sky").click()
    drag(label_page, (0.5, 0.5), (0.55, 0.5))
    saved(label_page)
    assert set(np.unique(label_server.labels())) == {2, 255}


def click(page: Any, x: float, y: float) -> None:
    box = page.locator("#view").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_a_polygon_and_a_fill_are_painted_by_the_server_and_can_be_undone(
    label_page: Any, label_server: LabelServer
) -> None:
    label_page.keyboard.press("p")
    for corner in ((0.35, 0.3), (0.6, 0.3), (0.6, 0.6), (0.35, 0.6)):
        click(label_page, *corner)
    label_page.keyboard.press("Enter")
    wait_for(lambda: bool((on_screen(label_page) == 0).any()))
    polygon = on_screen(label_page)
    rows, columns = np.nonzero(polygon == 0)
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    label_page.keyboard.press("g")
    label_page.keyboard.press("3")
    click(label_page, 0.5, 0.5)
    wait_for(lambda: bool((on_screen(label_page) == 2).any()))
    assert np.array_equal(on_screen(label_page) == 2, polygon == 0)
    saved(label_page)
    assert np.array_equal(on_screen(label_page), label_server.labels())
    label_page.keyboard.press("u")
    wait_for(lambda: bool((on_screen(label_page) == polygon).all()))
    label_page.keyboard.press("u")
    wait_for(lambda: bool((on_screen(label_page) == 255).all()))


def test_a_polygon_that_is_dropped_leaves_nothing(label_page: Any) -> None:
    label_page.keyboard.press("p")
    for corner in ((0.35, 0.3), (0.6, 0.3), (0.6, 0.6)):
        click(label_page, *corner)
    label_page.keyboard.press("Escape")
    label_page.keyboard.press("b")
    drag(label_page, (0.5, 0.8), (0.6, 0.8))
    saved(label_page)
    labels = on_screen(label_page)
    assert (labels[:150] == 255).all()
    assert (labels[200:] == 0).any()


PROPOSED = """async () => {
  const { desk } = await import("/static/label/desk.js");
  const labels = desk.current.proposal?.labels;
  return labels ? Array.from(labels) : null;
}"""


def test_strokes_of_two_classes_bring_a_proposal_that_can_be_accepted(
    label_page: Any, label_server: LabelServer
) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    drag(label_page, (0.35, 0.3), (0.6, 0.3))
    label_page.locator("#proposed", has_text="two classes").wait_for()
    assert label_page.locator("#accept").is_disabled()
    label_page.keyboard.press("2")
    drag(label_page, (0.35, 0.7), (0.6, 0.7))
    label_page.locator("#proposed", has_text="learnt from 1 picture").wait_for()
    proposed = np.array(label_page.evaluate(PROPOSED), np.uint8).reshape(SIZE)
    assert set(np.unique(proposed)) == {0, 1}
    by_hand = on_screen(label_page)
    label_page.locator("#accept:enabled").click()
    wait_for(lambda: bool((on_screen(label_page) != 255).all()))
    expected = np.where(by_hand == 255, proposed, by_hand)
    assert np.array_equal(on_screen(label_page), expected)
    assert np.array_equal(label_server.labels(), expected)
    label_page.keyboard.press("u")
    wait_for(lambda: bool((on_screen(label_page) == by_hand).all()))


def test_a_region_of_a_proposal_is_filled(label_page: Any, label_server: LabelServer) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    drag(label_page, (0.35, 0.3), (0.6, 0.3))
    label_page.keyboard.press("2")
    drag(label_page, (0.35, 0.7), (0.6, 0.7))
    label_page.locator("#accept:enabled").wait_for()
    by_hand = on_screen(label_page)
    proposed = np.array(label_page.evaluate(PROPOSED), np.uint8).reshape(SIZE)
    label_page.keyboard.press("g")
    label_page.keyboard.press("3")
    click(label_page, 0.5, 0.5)
    wait_for(lambda: bool((on_screen(label_page) == 2).any()))
    labels = on_screen(label_page)
    filled = labels == 2
    assert (by_hand[filled] == 255).all()
    assert len(np.unique(proposed[filled])) == 1
    wait_for(lambda: bool((label_server.labels() == labels).all()))


def test_a_model_proposes_at_once_and_sorts_the_pictures(
    context: Any, served_run: Path, tmp_path: Path, faults: Faults
) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        drawn_file(tmp_path / "pictures" / f"{number}.png", 60, 80, number)
    server = LabelServer(tmp_path / "pictures", tmp_path / "out", "--model", str(served_run))
    page = opened(context, server, faults)
    assert page.locator("#classes .name").all_inner_texts() == ["dark", "middle", "bright"]
    page.locator("#proposed", has_text="of the model").wait_for()

    def doubts() -> list[float | None]:
        return [one["doubt"] for one in httpx.get(f"{server.url}v1/label").json()["pictures"]]

    wait_for(lambda: None not in doubts())
    names = [one["name"] for one in httpx.get(f"{server.url}v1/label").json()["pictures"]]
    by_doubt = [name for _, name in sorted(zip(doubts(), names, strict=True), reverse=True)]  # type: ignore[type-var]
    wait_for(lambda: page.locator("#pictures .name").all_inner_texts() == by_doubt)
    page.keyboard.press("a")
    wait_for(lambda: bool((on_screen(page, (60, 80)) != 255).all()))
    server.end(signal.SIGTERM)
    assert server.process.returncode == 0
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 1
    assert faults.unexpected() == []


def test_a_training_is_begun_and_stopped_from_the_page(label_page: Any, label_server: LabelServer) -> None:
    label_page.locator("#train").click()
    label_page.locator("#notice", has_text="Nothing is labelled yet").wait_for()
    drag(label_page, (0.3, 0.3), (0.6, 0.3))
    saved(label_page)
    label_page.locator("#minutes").fill("5")
    label_page.locator("#train").click()
    label_page.locator("#train", has_text="Stop").wait_for()
    assert (label_server.out / "masks" / "0.png").is_file()
    label_page.reload()
    label_page.locator("#train", has_text="Stop").wait_for()
    label_page.locator("#train").click()
    label_page.locator("#training-text", has_text="stopped").wait_for()
    label_page.locator("#train", has_text="Train").wait_for()
