"""Many pictures, files that are none, and a server that goes away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serving import drawn_file, open_files

from pixelwise.inference import Predictor
from pixelwise.serve import Limits, create_app

from .conftest import Server, watched


def test_thirty_pictures_at_once_are_all_labelled(page: Any, tmp_path: Path) -> None:
    files = [drawn_file(tmp_path / f"{number:02d}.png", 60, 80, seed=number) for number in range(30)]
    page.set_input_files("#files", [str(file) for file in files])
    page.locator("#done", has_text="30 of 30").wait_for()
    assert page.locator("#thumbs li[data-state=done]").count() == 30
    assert page.locator("#name").inner_text() == "00.png"
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator("#name").inner_text() == "02.png"
    assert page.locator("[aria-current=true]").get_attribute("aria-label") == "02.png, labelled"
    page.keyboard.press("Delete")
    assert page.locator("#thumbs li").count() == 29
    assert page.locator("#name").inner_text() == "03.png"


def test_a_file_that_is_no_picture_is_refused_in_words_of_the_server(
    page: Any, tmp_path: Path, picture: Path, faults: Any
) -> None:
    faults.expected = ["415"]
    (tmp_path / "notes.png").write_text("no picture <b>at all</b>")
    page.set_input_files("#files", [str(tmp_path / "notes.png"), str(picture)])
    page.locator("#failure-text", has_text="not a picture").wait_for()
    page.locator("#thumbs li[data-state=done]").wait_for()
    assert page.locator("#thumbs li[data-state=failed]").count() == 1
    page.keyboard.press("j")
    page.locator("#classes .share:not(:empty)").first.wait_for()
    assert not page.locator("#failure").is_visible()


def test_the_same_picture_is_opened_once(page: Any, picture: Path, tmp_path: Path) -> None:
    other = drawn_file(tmp_path / "other.png", 50, 50, seed=3)
    open_files(page, picture, other)
    page.set_input_files("#files", [str(picture)])
    page.wait_for_timeout(300)
    assert page.locator("#thumbs li").count() == 2


def test_work_continues_when_a_lost_server_is_back(
    context: Any, predictor: Predictor, picture: Path, tmp_path: Path, faults: Any
) -> None:
    faults.expected = ["ERR_CONNECTION", "Failed to load"]
    server = Server(lambda: create_app({"first": predictor}, Limits()))
    server.start()
    page = watched(context.new_page(), server.url, faults)
    page.goto(server.url)
    open_files(page, picture)
    server.stop()
    page.set_input_files("#files", [str(drawn_file(tmp_path / "later.png", 50, 60, seed=4))])
    page.locator("#lost").wait_for()
    assert page.locator("#view").is_visible()
    server.start()
    page.locator("#done", has_text="2 of 2").wait_for()
    assert not page.locator("#lost").is_visible()
    page.close()
    server.stop()
    assert faults.unexpected() == []
