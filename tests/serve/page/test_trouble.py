"""What does not go as planned: a busy server, a token, turned pictures, and label maps that do not fit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from serving import drawn_file, open_files, shown

from pixelwise.inference import Predictor
from pixelwise.serve import Limits, create_app
from pixelwise.serve.access import Access

from .conftest import Server, watched


def test_a_busy_server_is_asked_again_when_it_says_so(page: Any, picture: Path, faults: Any) -> None:
    faults.expected = ["503"]
    refused: list[str] = []

    def answer(route: Any) -> None:
        if refused:
            return route.continue_()
        refused.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"title": "Busy", "detail": "queue: it is full"})

    page.route("**/predict?*", answer)
    open_files(page, picture)
    assert refused
    assert not page.locator("#failure").is_visible()


def test_a_failed_picture_is_tried_again_on_request(page: Any, picture: Path, faults: Any) -> None:
    faults.expected = ["500"]
    refused: list[str] = []

    def answer(route: Any) -> None:
        if refused:
            return route.continue_()
        refused.append(route.request.url)
        route.fulfill(status=500, json={"title": "Fault", "detail": "a fault of <i>pixelwise</i>"})

    page.route("**/predict?*", answer)
    page.set_input_files("#files", [str(picture)])
    page.locator("#failure-text", has_text="a fault of <i>pixelwise</i>").wait_for()
    page.locator("#retry").click()
    page.locator("#classes .share:not(:empty)").first.wait_for()
    assert not page.locator("#failure").is_visible()


def test_labels_of_another_size_are_not_drawn(page: Any, picture: Path) -> None:
    png = io.BytesIO()
    Image.fromarray(np.zeros((91, 120), np.uint8)).save(png, "PNG")
    page.route("**/predict?output=labels*", lambda route: route.fulfill(body=png.getvalue()))
    page.set_input_files("#files", [str(picture)])
    page.locator("#unseen", has_text="do not lie on this picture").wait_for()
    before = shown(page)
    page.locator("#opacity").fill("100")
    page.wait_for_timeout(400)
    box = slice(300, 500)
    assert (shown(page)[100:300, box] == before[100:300, box]).all()


def test_a_turned_photo_lies_under_its_labels(page: Any, tmp_path: Path, predictor: Predictor) -> None:
    with Image.open(drawn_file(tmp_path / "a.png", 90, 120)) as drawn:
        exif = drawn.getexif()
        exif[0x0112] = 6
        drawn.convert("RGB").save(tmp_path / "turned.jpg", exif=exif, quality=95)
    open_files(page, tmp_path / "turned.jpg")
    assert predictor(tmp_path / "turned.jpg").labels.shape == (120, 90)
    assert page.locator("#facts").inner_text().startswith("90 \u00d7 120")
    assert not page.locator("#unseen").is_visible()


def test_labels_are_shown_alone_where_the_browser_cannot_show_the_picture(page: Any, tmp_path: Path) -> None:
    with Image.open(drawn_file(tmp_path / "a.png", 90, 120)) as drawn:
        drawn.convert("RGB").save(tmp_path / "a.tif", compression="jpeg")
    open_files(page, tmp_path / "a.tif")
    page.locator("#unseen", has_text="shown alone").wait_for()
    page.locator("#opacity").fill("100")
    page.wait_for_timeout(400)
    seen = shown(page)
    assert (seen == (20, 20, 90)).all(2).any() or (seen == (90, 160, 60)).all(2).any()


def test_the_page_asks_for_the_token(context: Any, predictor: Predictor, picture: Path, faults: Any) -> None:
    faults.expected = ["401"]
    server = Server(lambda: create_app({"first": predictor}, Limits(), Access(token="sesame")))
    server.start()
    page = watched(context.new_page(), server.url, faults)
    page.goto(server.url)
    page.locator("dialog input[name=token]").fill("sesame")
    page.keyboard.press("Enter")
    page.locator("body.ready").wait_for()
    open_files(page, picture)
    page.close()
    server.stop()
    assert faults.unexpected() == []


def test_a_finger_reads_what_it_touches(browser: Any, server: Any, picture: Path, faults: Any) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = watched(phone.new_page(), server.url, faults)
    page.goto(server.url)
    page.locator("body.ready").wait_for()
    open_files(page, picture)
    box = page.locator("#view").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator("#readout .what").wait_for()
    phone.close()
    assert faults.unexpected() == []
