"""Two overlays beside each other, objects one by one, and a link that shows all of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from serving import drawn_file, open_files, shown

from pixelwise.inference import Predictor


def test_the_divider_has_the_picture_left_and_the_overlay_right(page: Any, picture: Path) -> None:
    open_files(page, picture)
    page.wait_for_timeout(400)
    plain = shown(page)
    page.select_option("#compare", "picture")
    page.wait_for_timeout(400)
    box = page.locator("#stage").bounding_box()
    half = round(box["width"] / 2)
    there = shown(page)
    middle = slice(200, 400)  # away from what floats at the top and the bottom
    assert (np.abs(there[middle, half + 40 :] - plain[middle, half + 40 :]).max(2) <= 1).mean() > 0.99
    assert (np.abs(there[middle, : half - 40] - plain[middle, : half - 40]).max(2) > 8).mean() > 0.3
    divider = page.locator("#divider")
    divider.focus()
    page.keyboard.press("PageUp")
    assert divider.get_attribute("aria-valuenow") == "60"
    handle = divider.bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, 300)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, 300)
    page.mouse.up()
    assert divider.get_attribute("aria-valuenow") == "25"
    page.keyboard.press("d")
    assert not divider.is_visible()


def test_two_models_are_compared(page: Any, picture: Path) -> None:
    open_files(page, picture)
    page.select_option("#compare", "second")
    page.locator("#inspected button", has_text="second").click()
    page.locator("#objects-count:not(:empty)").wait_for()
    assert page.locator("#left-name").inner_text() == "first"
    assert page.locator("#right-name").inner_text() == "second"
    page.locator("#classes li input").first.click()
    page.locator("#inspected button", has_text="first").click()
    assert page.locator("#classes li input").first.is_checked()


def test_objects_are_switched_off_one_by_one(page: Any, picture: Path) -> None:
    open_files(page, picture)
    page.locator("#opacity").fill("100")
    page.wait_for_timeout(400)
    before = shown(page)
    page.locator("#objects li input").first.click()
    page.wait_for_timeout(400)
    page.mouse.move(5, 5)
    changed = (shown(page) != before).any(2).mean()
    assert changed > 0.02
    page.locator("#no-object").click()
    page.wait_for_timeout(400)
    assert (shown(page) != before).any(2).mean() > changed
    page.locator("#all-objects").click()
    page.wait_for_timeout(400)
    assert (shown(page) != before).any(2).mean() < 0.001


def test_the_histogram_counts_every_object(page: Any, picture: Path, predictor: Predictor) -> None:
    open_files(page, picture)
    objects = predictor(picture).objects()
    titles = page.locator("#areas rect title").evaluate_all("all => all.map((one) => one.textContent)")
    assert sum(int(title.split(" ")[0].replace(",", "")) for title in titles) == len(objects)
    assert f"{int(objects.areas.max()):,} pixels" in page.locator("#areas-text").text_content()


def test_the_cursor_tells_class_object_and_probability(page: Any, picture: Path, predictor: Predictor) -> None:
    open_files(page, picture)
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2 + 1, box["y"] + box["height"] / 2)
    page.locator("#readout .sure").wait_for()
    text = page.locator("#readout").inner_text()
    x, y = (int(part) for part in page.locator("#readout .place").inner_text().split(", "))
    prediction = predictor(picture, probabilities=True)
    kind = int(prediction.labels[y, x])
    share = float(prediction.probabilities[kind, y, x])
    assert predictor.label_space.names[kind] in text
    assert abs(float(page.locator("#readout .sure").inner_text().split("%")[0]) / 100 - share) < 0.006
    assert "object" in text


def test_a_link_shows_the_view_again(page: Any, picture: Path, server: Any) -> None:
    open_files(page, picture)
    page.locator("#classes li input").nth(1).click()
    page.locator("#opacity").fill("80")
    page.keyboard.press("f")
    page.keyboard.press("c")
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(800)
    link, before = page.url, shown(page)
    page.goto("about:blank")
    page.goto(link)
    page.locator("#objects-count:not(:empty)").wait_for()
    page.wait_for_timeout(600)
    assert page.url == link
    assert (np.abs(shown(page) - before).max(2) > 2).mean() < 0.001


def test_a_link_to_a_picture_that_is_not_kept_says_so(page: Any, server: Any) -> None:
    page.goto("about:blank")
    page.goto(f"{server.url}#model=second&picture=0123456789abcdef0123")
    page.locator("#notice", has_text="not kept").wait_for()
    assert page.locator("#model").input_value() == "second"


def test_zoom_shows_pixels_as_squares(page: Any, tmp_path: Path) -> None:
    open_files(page, drawn_file(tmp_path / "small.png", 40, 40, seed=5))
    page.locator("#opacity").fill("0")
    for _ in range(12):
        page.keyboard.press("+")
    page.wait_for_timeout(600)
    assert page.locator("#zoom").inner_text() == "6400%"
    row = shown(page)[300, 100:500]
    steps = np.abs(np.diff(row, axis=0)).max(1) > 0
    assert steps.sum() <= 400 // 64 + 1
