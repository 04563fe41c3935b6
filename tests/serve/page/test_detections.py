"""Models that find objects: least score, masks that overlap, and boxes without a mask."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import open_files, shown

from pixelwise.instances import BoxMask
from pixelwise.ops.rle import encode_rle

HEIGHT, WIDTH = 90, 120
CARD = {
    "kind": "objects",
    "classes": [
        {"index": 0, "name": "background", "color": "#000000", "background": True},
        {"index": 1, "name": "cell", "color": "#e07020", "background": False},
        {"index": 2, "name": "grain", "color": "#20a0e0", "background": False},
    ],
    "ignore_index": 255,
    "object_rule": {"score": 0.5, "min_area": 0},
}
CELL, GRAIN = (224, 112, 32), (32, 160, 224)


def annotation(number: int, category: int, box: tuple[int, int, int, int], score: float, mask: bool = True) -> Any:
    left, top, width, height = box
    pixels = BoxMask(np.ones((height, width), np.bool_), top, left, (HEIGHT, WIDTH))
    segmentation = {"size": [HEIGHT, WIDTH], "counts": encode_rle(pixels)["counts"]} if mask else []
    return {
        "id": number, "image_id": 1, "category_id": category, "bbox": list(box), "area": width * height,
        "score": score, "segmentation": segmentation,
    }  # fmt: skip


@pytest.fixture
def detecting(page: Any, server: Any, picture: Path) -> Any:
    """The page with a model that found two masks that overlap, an unsure one, and a box."""
    found = [
        annotation(1, 1, (10, 10, 50, 40), 0.7),
        annotation(2, 2, (40, 20, 40, 40), 0.9),
        annotation(3, 1, (80, 65, 30, 20), 0.3),
        annotation(4, 1, (85, 5, 30, 25), 0.8, mask=False),
    ]
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[10:50, 10:60] = 1
    labels[20:60, 40:80] = 2
    png = io.BytesIO()
    Image.fromarray(labels).save(png, "PNG")
    categories = [{"id": 1, "name": "cell"}, {"id": 2, "name": "grain"}]
    coco = json.dumps({"categories": categories, "images": [], "annotations": found})

    def answer(route: Any) -> None:
        route.fulfill(body=png.getvalue() if "output=labels" in route.request.url else coco, status=200)

    page.route("**/v1/models", lambda route: route.fulfill(json={"models": [{"name": "finder", "card": CARD}]}))
    page.route("**/predict?*", answer)
    page.goto("about:blank")
    page.goto(server.url)
    page.locator("body.ready").wait_for()
    open_files(page, picture)
    page.locator("#opacity").fill("100")
    page.wait_for_timeout(400)
    return page


def color_at(page: Any, x: int, y: int) -> tuple[int, ...]:
    page.wait_for_timeout(400)
    view = shown(page)
    scale = min((view.shape[1] - 24) / WIDTH, (view.shape[0] - 24) / HEIGHT)
    left, top = (view.shape[1] - WIDTH * scale) / 2, (view.shape[0] - HEIGHT * scale) / 2
    return tuple(view[round(top + (y + 0.5) * scale), round(left + (x + 0.5) * scale)].tolist())


def test_the_surest_object_is_on_top_and_shows_what_it_hides_when_it_is_off(detecting: Any) -> None:
    assert color_at(detecting, 20, 20) == CELL
    assert color_at(detecting, 50, 35) == GRAIN
    detecting.get_by_label("Show object 2, grain").click()
    assert color_at(detecting, 50, 35) == CELL
    assert color_at(detecting, 70, 50) not in (CELL, GRAIN)


def test_objects_below_the_least_score_are_neither_listed_nor_drawn(detecting: Any) -> None:
    assert detecting.locator("#objects-count").inner_text() == "3"
    assert color_at(detecting, 95, 75) != CELL
    detecting.locator("#least-score").fill("0.2")
    assert detecting.locator("#objects-count").inner_text() == "4"
    assert color_at(detecting, 95, 75) == CELL
    detecting.locator("#least-score").fill("0.85")
    assert detecting.locator("#objects-count").inner_text() == "1"
    assert color_at(detecting, 20, 20) != CELL


def test_a_box_without_a_mask_is_drawn_as_a_box(detecting: Any) -> None:
    view = shown(detecting)
    scale = min((view.shape[1] - 24) / WIDTH, (view.shape[0] - 24) / HEIGHT)
    left, top = (view.shape[1] - WIDTH * scale) / 2, (view.shape[0] - HEIGHT * scale) / 2
    edge = view[round(top + 5 * scale) - 2 : round(top + 5 * scale) + 2, round(left + 100 * scale)]
    assert (edge == CELL).all(1).any()
    assert color_at(detecting, 100, 17) != CELL


def test_each_object_has_a_colour_of_its_own(detecting: Any) -> None:
    detecting.select_option("#palette", "objects")
    colors = {color_at(detecting, 20, 20), color_at(detecting, 70, 50)}
    assert len(colors) == 2
    assert not colors & {CELL, GRAIN}


def test_a_class_that_is_off_takes_its_objects_along(detecting: Any) -> None:
    detecting.locator("#classes li", has_text="cell").locator("input").click()
    assert color_at(detecting, 20, 20) != CELL
    assert color_at(detecting, 50, 35) == GRAIN
    assert detecting.locator("#objects li").count() == 1
