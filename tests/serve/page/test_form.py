"""The form of the page: widths, light and dark, keys, names for screen readers, and files to take away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from serving import open_files

from pixelwise.inference import Predictor


@pytest.mark.parametrize("width", [1280, 760, 390, 320])
def test_no_width_scrolls_sideways(page: Any, picture: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    open_files(page, picture)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """width => Array.from(document.querySelectorAll("header :is(button, select), aside :is(button, select)"))
      .filter((one) => one.checkVisibility() && (one.getBoundingClientRect().right > width + 1))
      .map((one) => one.id || one.textContent)"""
    assert page.evaluate(outside, width) == []
    stage = page.locator("#stage").bounding_box()
    assert stage["height"] > 250


def test_dark_and_light_follow_the_system_until_the_switch_is_used(page: Any) -> None:
    def shade() -> int:
        return int(page.evaluate("getComputedStyle(document.body).backgroundColor").split("(")[1].split(",")[0])

    page.emulate_media(color_scheme="dark")
    assert shade() < 60
    page.emulate_media(color_scheme="light")
    assert shade() > 200
    page.keyboard.press("t")  # light, whatever the system says
    page.emulate_media(color_scheme="dark")
    assert shade() > 200
    page.locator("#theme").click()
    assert shade() < 60
    page.reload()
    page.emulate_media(color_scheme="light")
    assert shade() < 60


def test_the_sheet_of_keys_opens_and_closes(page: Any) -> None:
    page.keyboard.press("?")
    assert page.locator("#sheet").is_visible()
    page.keyboard.press("?")
    assert not page.locator("#sheet").is_visible()
    page.locator("#help").click()
    page.keyboard.press("Escape")
    assert not page.locator("#sheet").is_visible()


def test_every_key_of_the_sheet_is_in_the_documentation(page: Any) -> None:
    text = (Path(__file__).parents[3] / "docs" / "page.md").read_text()
    keys = page.locator("#sheet kbd").evaluate_all("all => all.map((one) => one.textContent)")
    words = {"\u2212": "-", "←": "arrows", "↑": "arrows", "→": "arrows", "↓": "arrows"}
    assert [key for key in keys if words.get(key, key) not in text] == []


def test_keys_change_what_they_say(page: Any, picture: Path) -> None:
    open_files(page, picture)
    for key, selector, attribute, value in (
        ("f", "#draw-outline", "aria-pressed", "true"),
        ("f", "#draw-fill", "aria-pressed", "true"),
    ):
        page.keyboard.press(key)
        assert page.locator(selector).get_attribute(attribute) == value
    page.keyboard.press("[")
    assert page.locator("#opacity-value").inner_text() == "45%"
    page.keyboard.press("m")
    assert page.locator("#model").input_value() == "second"
    page.keyboard.press("2")
    assert not page.locator("#classes li input").nth(1).is_checked()
    page.keyboard.press("n")
    assert page.locator("#classes input:checked").count() == 0
    page.keyboard.press("a")
    assert page.locator("#classes input:checked").count() == 3
    page.keyboard.press("z")
    assert page.locator("#zoom").inner_text() == "100%"


def test_controls_have_names(page: Any, picture: Path) -> None:
    open_files(page, picture)
    nameless = """() => Array.from(document.querySelectorAll("button, input, select, [role=slider], [role=img]"))
      .filter((one) => !(one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.textContent.trim()
        || one.labels?.[0]?.textContent.trim())).map((one) => one.outerHTML)"""
    assert page.evaluate(nameless) == []
    ids = page.locator("[id]").evaluate_all("all => all.map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_files_are_those_of_the_server(page: Any, picture: Path, predictor: Predictor, tmp_path: Path) -> None:
    open_files(page, picture)
    found = {}
    names = page.locator("#downloads li").evaluate_all("all => all.map((one) => one.querySelector('span').textContent)")
    for name in names:
        page.locator("#download").click()
        with page.expect_download() as download:
            page.locator("#downloads li", has_text=name).first.click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        found[name] = path
    assert np.array_equal(pixels(found["Label map"]), predictor(picture).labels)
    assert json.loads(found["Objects"].read_text())["images"][0]["file_name"] == picture.name
    assert np.load(found["Probabilities"]).shape == (3, 90, 120)
    assert json.loads(found["Polygons"].read_text())["type"] == "FeatureCollection"
    assert pixels(found["Overlay"]).shape == (90, 120, 3)
    assert len(json.loads(found["Summary"].read_text())["classes"]) == 3
    assert found["Table of objects"].read_text().startswith("picture,id,class")
    assert pixels(found["This view"]).shape[1] > 600


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as opened:
        return np.asarray(opened)


def test_everything_comes_from_here(page: Any) -> None:
    static = Path(__file__).parents[3] / "src" / "pixelwise" / "serve" / "static"
    for file in static.iterdir():
        text = file.read_text()
        addresses = [part.split('"')[0] for part in text.split("http")[1:] if part.startswith(("://", "s://"))]
        assert [one for one in addresses if "www.w3.org" not in one] == [], file.name
        assert file.suffix != ".html" or "style=" not in text
        assert "<script>" not in text
        assert "innerHTML" not in text
